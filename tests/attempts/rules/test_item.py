"""Items, and members of items, that an endpoint refuses by name."""

import json

import pytest
from attempts.refusals import PNG, a_body, call, healed, image, openai, reasoning

from codex_transform.request.input_items import message


@pytest.mark.parametrize("path", ["input[1].status", "input.1.status"])
def test_a_member_of_an_item_is_left_out_of_all_items_of_that_type(path: str) -> None:
    items = [{**reasoning("one"), "status": "completed"}, {**reasoning("two"), "status": "completed"}]
    changed = healed(openai(f"Unknown parameter: '{path}'.", "unknown_parameter", path), a_body(*items))
    assert changed is not None
    assert changed["input"][1:] == [reasoning("one"), reasoning("two")]


def test_a_member_of_a_message_part_is_left_out() -> None:
    body = a_body()
    body["input"][0]["content"][0]["logprobs"] = []
    changed = healed(openai("Unknown parameter: 'input[0].content[0].logprobs'."), body)
    assert changed is not None
    assert changed["input"] == [message("user", "hello")]


def test_an_unknown_member_of_an_image_is_removed_and_the_image_stays() -> None:
    part = {**image(PNG), "detail": "high"}
    path = "input[1].content[0].detail"
    failure = openai(f"Unsupported image parameter: '{path}'.", "unknown_parameter", path)
    changed = healed(failure, a_body({"type": "message", "role": "user", "content": [part]}))
    assert changed is not None
    assert changed["input"][1]["content"] == [image(PNG)]


def test_a_part_of_an_assistant_message_becomes_output_text() -> None:
    path = "input[1].content[0].type"
    odd = {"type": "message", "role": "assistant", "content": [{"type": "mystery"}]}
    changed = healed(openai("Invalid value: 'mystery'.", "invalid_value", path), a_body(odd))
    assert changed is not None
    assert changed["input"][1]["content"][0]["type"] == "output_text"


def test_a_search_of_an_unknown_kind_is_removed() -> None:
    other = {"type": "web_search_call", "action": {"type": "other"}}
    search = {"type": "web_search_call", "action": {"type": "search", "query": "x"}}
    failure = openai("Invalid value: 'other'.", "invalid_value", "input[1].action.type")
    changed = healed(failure, a_body(other, search, other))
    assert changed is not None
    assert changed["input"] == [message("user", "hello"), search]


def test_items_of_an_unknown_type_are_removed() -> None:
    unknown = {"type": "mood", "value": "fine"}
    failure = openai("Invalid value: 'mood'.", "invalid_value", "input[1]")
    changed = healed(failure, a_body(unknown, *call("c1"), unknown))
    assert changed is not None
    assert changed["input"] == [message("user", "hello"), *call("c1")]


def test_the_output_of_a_refused_call_stays_as_text() -> None:
    failure = openai("Invalid 'input[1].name': does not match", "invalid_value", "input[1].name")
    changed = healed(failure, a_body(*call("c1", "my.tool"), *call("c2")))
    assert changed is not None
    assert [item["type"] for item in changed["input"]] == ["message", "message", *(each["type"] for each in call("c2"))]
    assert "output of c1" in changed["input"][1]["content"][0]["text"]


def test_a_refused_output_stays_as_text_and_its_call_is_removed() -> None:
    failure = openai("Invalid value", "invalid_value", "input[2].output")
    changed = healed(failure, a_body(*call("c1"), *call("c2")))
    assert changed is not None
    assert [item.get("call_id") for item in changed["input"]] == [None, None, "c2", "c2"]
    assert "output of c1" in json.dumps(changed["input"][1])


@pytest.mark.parametrize("path", ["input[0]", "input[0].content", "input[0].content[0].text", "input[0].role"])
def test_a_message_keeps_its_text(path: str) -> None:
    assert healed(openai("Invalid value", "invalid_value", path), a_body()) is None
