"""Gateways that refuse a request for its size."""

import pytest
from attempts.refusals import PNG, SVG, a_body, healed, image, openai, refused

from codex_transform.attempts.failure import Failure, from_response
from codex_transform.attempts.next_attempt import final_error
from codex_transform.request.input_items import message

PAGE = b"<html><head><title>413 Request Entity Too Large</title></head></html>"


@pytest.mark.parametrize(
    "failure",
    [
        from_response(413, {"content-type": "text/html"}, PAGE, 0.1),
        openai("Request body too large, limit is 1 MB"),
        refused(500, {"error": {"message": "http: request body too large"}}),
        refused(400, {"detail": "Decompressed request body exceeds 268435456 bytes"}),
    ],
)
def test_a_request_that_is_too_large_loses_the_images_of_earlier_turns(failure: Failure) -> None:
    earlier = {"type": "message", "role": "user", "content": [image(PNG)]}
    now = {"type": "message", "role": "user", "content": [image(SVG)]}
    changed = healed(failure, a_body(earlier, now))
    assert changed is not None
    assert changed["input"][1]["content"][0]["type"] == "input_text"
    assert changed["input"][2] == now
    assert healed(failure, changed) is None
    error = final_error(failure, 3_400_000, "main")
    assert error is not None
    assert (error.status, error.code) == (400, "context_length_exceeded")
    assert "exceeds the context window" in error.message
    assert "3.4 MB" in error.message


def test_a_context_that_is_too_long_is_left_to_the_client() -> None:
    failure = openai("Your input exceeds the context window of this model.", "context_length_exceeded", "input")
    assert (
        healed(failure, a_body({"type": "message", "role": "user", "content": [image(PNG)]}, message("user", "x")))
        is None
    )
    assert final_error(failure, 1000, "main") is None


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("You exceeded the request limit per minute.", 429),
        ("Request too large for gpt-5.1 on tokens per min (TPM): Limit 30000, Requested 40000.", 429),
        ("Your plan has exceeded its request limit.", 400),
    ],
)
def test_a_rate_limit_is_not_a_size_limit(words: str, status: int) -> None:
    assert final_error(openai(words, status=status), 1000, "main") is None
