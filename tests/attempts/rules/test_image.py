"""Images that an endpoint refuses."""

import pytest
from attempts.refusals import PNG, SVG, a_body, call, healed, image, openai

from codex_transform.attempts.failure import Failure


@pytest.mark.parametrize(
    "failure",
    [
        openai("The image data does not represent a valid image.", "invalid_value", "input[1].content[1].image_url"),
        openai("The image data does not represent a valid image.", None, "input"),
        openai("Invalid MIME type: unsupported MIME type image/svg+xml", "invalid_image_format"),
        openai("Could not process image", status=422),
    ],
)
def test_the_bad_image_becomes_a_line_of_text(failure: Failure) -> None:
    parts = [image(PNG), image(SVG), {"type": "input_text", "text": "look"}]
    body = a_body({"type": "message", "role": "user", "content": parts})
    changed = healed(failure, body)
    assert changed is not None
    content = changed["input"][1]["content"]
    assert [part["type"] for part in content] == ["input_image", "input_text", "input_text"]
    assert content[2] == parts[2]
    assert "image/svg+xml" in content[1]["text"]
    assert "refused" in content[1]["text"]


def test_a_bad_image_in_a_tools_output_becomes_text() -> None:
    output = {**call("c1")[1], "output": [image(SVG)]}
    changed = healed(openai("That is no valid image."), a_body(call("c1")[0], output))
    assert changed is not None
    assert changed["input"][2]["output"][0]["type"] == "input_text"


def test_valid_images_are_removed_when_nothing_else_is_left() -> None:
    parts = [image(PNG), {"type": "input_text", "text": "look"}]
    changed = healed(openai("That is no valid image."), a_body({"type": "message", "role": "user", "content": parts}))
    assert changed is not None
    assert "image/png" in changed["input"][1]["content"][0]["text"]


def test_images_are_removed_for_a_model_without_vision() -> None:
    failure = openai("This model does not support image input.")
    assert healed(failure, a_body({"type": "message", "role": "user", "content": [image(PNG)]})) is not None
