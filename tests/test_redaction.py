"""Keys that an endpoint quotes in an error are redacted for clients, logs and saved flows."""

import json
from typing import Any

import pytest
from response.streams import Event, block, dumps, outcome, response, stream

from codex_transform.errors import ApiError
from codex_transform.redaction import redact, redact_secrets
from codex_transform.response.client_view import ClientView
from codex_transform.response.events_to_response import collect, events_to_response
from codex_transform.response.stream import ResponseStream

KEY = "sk-proj-0123456789abcdefghij"
REDACTED = "sk-…ghij"

BEGUN: Event = {"type": "response.created", "sequence_number": 0, "response": response(status="in_progress")}
ERROR: Event = {"type": "error", "message": f"Incorrect API key: {KEY}.", "code": "invalid_api_key"}
FAILED: Event = {
    "type": "response.failed",
    "response": response(status="failed", error={"code": "invalid_api_key", "message": f"Incorrect API key: {KEY}."}),
}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("sk-abcdefgh", "sk-…efgh"),
        ("a task-force of sk- nothing", "a task-force of sk- nothing"),
        ("bearer tokens are wanted", "bearer tokens are wanted"),
        ("Bearer abcd1234", "Bearer …1234"),
        ("eyJhbGciOi.eyJzdWIi.abcd1234", "…1234"),
        ("gpt-5.1-codex-max in 2026", "gpt-5.1-codex-max in 2026"),
    ],
)
def test_text_that_looks_like_a_key_is_redacted(text: str, redacted: str) -> None:
    assert redact_secrets(text) == redacted


@pytest.mark.parametrize(
    "body",
    [
        dumps({"error": {"message": f"bad key {KEY}"}}),
        dumps({"detail": f"bad key {KEY}"}),
        dumps({"detail": [{"loc": ["header"], "msg": f"bad key {KEY}"}]}),
        dumps(FAILED["response"]),
        f"bad key {KEY}".encode(),
        f"data: bad key {KEY}\n\n".encode(),
        f"event: error\ndata: bad key {KEY}\n\n".encode(),
        stream([ERROR]),
        stream([FAILED]),
        stream([BEGUN, ERROR]),
        stream([BEGUN, FAILED]),
        stream([BEGUN, ERROR, FAILED]),
        block({**ERROR, "error": {"type": "x", "message": KEY}}),
    ],
)
def test_keys_in_an_error_with_status_200_are_redacted(body: bytes) -> None:
    """Whether the client streams or not."""
    got = outcome([body], "gpt-5.1")
    streamed = got.decode() if isinstance(got, bytes) else json.dumps(got, ensure_ascii=False)
    with pytest.raises(ApiError) as raised:
        events_to_response(collect(body, ResponseStream(ClientView("gpt-5.1"), None)))
    for text in (streamed, raised.value.message):
        assert KEY not in text
        assert REDACTED in text


def test_an_error_without_a_key_is_unchanged() -> None:
    plain: Any = {"code": "server_error", "message": "Try again in 20 seconds."}
    failed = {**FAILED, "sequence_number": 1, "response": response(status="failed", error=plain)}
    got = outcome([stream([BEGUN, failed])], None)
    assert dumps(plain) in got


@pytest.mark.parametrize(("key", "redacted"), [("sk-1234567890abcdefabcd", "sk-…abcd"), ("short", "…"), ("", "…")])
def test_only_the_ends_of_a_key_are_shown(key: str, redacted: str) -> None:
    assert redact(key) == redacted
