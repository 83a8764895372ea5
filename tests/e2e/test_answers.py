"""OpenAI's own Python SDK against every fault of the sandbox, with and without streaming.

What the SDK must get is in `FAILS` and `INCOMPLETE`. A fault in neither, such as a new one, must not show.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from support.running import Proxy
from support.sdk import client

from codex_transform.sandbox import FAULTS, Sandbox

HELLO: dict[str, Any] = {
    "model": "gpt-5-codex",
    "input": "say hello",
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
}

OF_STATUS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    502: openai.InternalServerError,
    503: openai.InternalServerError,
}


@dataclass(frozen=True)
class Fails:
    """An expected error: its HTTP status, code, words of its message, and the seconds in `retry-after`.

    With `in_stream`, a streaming client has already got events, so that only the code and the message reach it.
    """

    status: int
    code: str | None
    says: str
    retry_after: int | None = None
    in_stream: bool = False


MEMBERS = {"message", "type", "param", "code"}
"""What every error has, and OpenAI's SDK reads."""

OF_A_LIMIT = {"plan_type", "resets_at", "resets_in_seconds"}
"""What the error of a limit may have besides: the Codex CLI tells its user by it when to try again."""

CUT = Fails(502, "server_error", "complete|broke off", in_stream=True)
CUT_AT_ONCE = Fails(502, None, "complete|127.0.0.1")
NOT_AN_ANSWER = Fails(502, None, "endpoint")
LIMIT = Fails(429, "usage_limit_reached", "usage limit", retry_after=3600)

FAILS: dict[str, Fails] = {
    "no-terminal": CUT,
    "cut": CUT,
    "cut-mid-event": CUT,
    "reset": CUT,
    "bad-chunk": CUT,
    **{name: CUT for name in FAULTS if name.endswith("-truncated")},
    "cut-before-head": CUT_AT_ONCE,
    "close-later": CUT_AT_ONCE,
    "reset-before-head": CUT_AT_ONCE,
    "half-head": CUT_AT_ONCE,
    "not-http": CUT_AT_ONCE,
    "flood": CUT_AT_ONCE,
    "error-event": Fails(500, "server_error", "The sandbox broke", in_stream=True),
    "error-event-nested": Fails(500, None, "Overloaded", in_stream=True),
    "failed": Fails(500, "server_error", "The sandbox broke", in_stream=True),
    "failed-rate-limit": Fails(429, "rate_limit_exceeded", "Please try again in 1.5s", in_stream=True, retry_after=2),
    "failed-context": Fails(400, "context_length_exceeded", "context window", in_stream=True),
    "failed-quota": Fails(429, "insufficient_quota", "quota", in_stream=True),
    "false-gzip": NOT_AN_ANSWER,
    "empty": NOT_AN_ANSWER,
    "empty-chunked": NOT_AN_ANSWER,
    "html-200": NOT_AN_ANSWER,
    "redirect": Fails(502, None, "302"),
    "json-error-200": Fails(502, "no", "No"),
    "html-403": Fails(403, None, "403"),
    "html-502": Fails(502, None, "502"),
    "usage-limit-404": LIMIT,
    "usage-limit-429": LIMIT,
    "usage-limit-headers": LIMIT,
    "usage-not-included": Fails(429, "usage_not_included", "not included"),
    "rate-limit": Fails(429, "rate_limit_exceeded", "Please try again in 1.5s", retry_after=2),
    "unauthorized": Fails(401, "invalid_api_key", "codex_api_key"),
    "plain-500": Fails(500, None, "Internal Server Error"),
    "overloaded": Fails(503, "server_is_overloaded", "Too many requests"),
    "bad-gateway": Fails(502, None, "Bad Gateway"),
    "quota-403": Fails(429, "insufficient_user_quota", "quota"),
    "codex-only-403": Fails(403, "codex_access_restricted", "Codex clients"),
    "model-403": Fails(403, "model_not_allowed", "may not use the model"),
    "region-403": Fails(403, "unsupported_country_region_territory", "region"),
    "limit-in-words": Fails(429, None, "3h 12m", retry_after=11_520),
    "detail-503": Fails(503, None, "No upstream is available", retry_after=7),
}

# Answers that end early, with their reasons.
INCOMPLETE = {"incomplete": "max_output_tokens", "incomplete-filter": "content_filter"}

NEVER_ENDS = frozenset({"hang", "hang-before-head", "half-head-hang"})

# By the type of a call: a prompt that leads to it, the tool, and a member of the call with words that it contains.
TOOLS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "function_call": (
        'use greet with {"name": "Ada"}',
        {"type": "function", "name": "greet", "parameters": {"type": "object"}, "strict": False},
        "arguments",
        '"Ada"',
    ),
    "custom_tool_call": (
        "use poet with a haiku on rain",
        {"type": "custom", "name": "poet"},
        "input",
        "a haiku on rain",
    ),
    "local_shell_call": ("run ls -l", {"type": "local_shell"}, "action", "ls -l"),
}

# Faults that take long with their default number.
SMALLER = {"slow": "slow@1", "close-later": "close-later@10", "flood": "flood@1"}

# Refusals of something in the request are tested in test_attempts; so is an answer without a final event, which has no
# token counts.
REFUSING = {name for name, fault in FAULTS.items() if fault.about.startswith("refuses ")} | {"too-large"}

ENDING = [name for name in FAULTS if name not in NEVER_ENDS]
# Only the message is left of the answer, without the reasoning before it.
MESSAGE_ALONE = ["only-deltas"]

WHOLE = [name for name in ENDING if name not in {*FAILS, *INCOMPLETE, *REFUSING, *MESSAGE_ALONE, "no-final-event"}]

# Events that relays omit.
COURSE = ["only-final", "only-items", "no-created", "no-item-added", "no-part-events", "no-text-done", "no-item-done"]
COURSE += ["no-endings", "no-deltas", "rotating-ids", "rotating-ids-filled", "bare-openings", "chat-usage", "thin"]


def misbehave(name: str) -> dict[str, str]:
    """Return the header by which one request asks the sandbox for a fault; the proxy forwards it like any other."""
    return {"x-sandbox-misbehave": SMALLER.get(name, name)}


@pytest.fixture(scope="module")
def sdk(quiet_proxy: Proxy) -> Iterator[openai.OpenAI]:
    with client(quiet_proxy) as sdk:
        yield sdk


@dataclass
class Answer:
    """What a streaming client got, up to an error if there is one."""

    events: list[Any]
    final: Any = None

    @property
    def text(self) -> str:
        return "".join(event.delta for event in self.events if event.type == "response.output_text.delta")


def stream(sdk: openai.OpenAI, into: Answer, **headers: str) -> Answer:
    with sdk.responses.stream(**HELLO, extra_headers=headers) as events:
        for event in events:
            into.events.append(event)
        into.final = events.get_final_response()
    return into


@pytest.fixture(scope="module")
def good(sdk: openai.OpenAI) -> Answer:
    """What a streaming client gets from an endpoint without faults."""
    return stream(sdk, Answer([]))


def same(response: Any, good: Answer) -> None:
    """Assert that the response is the same as without a fault."""
    assert response.status == "completed"
    assert response.model == "gpt-5-codex"
    assert response.output_text == good.text
    assert [item.type for item in response.output] == ["reasoning", "message"]
    assert response.output[0].encrypted_content
    assert "no thinking here" in response.output[0].summary[0].text
    assert response.usage.input_tokens == good.final.usage.input_tokens
    assert response.usage.output_tokens > 0


def test_the_tables_name_only_known_faults() -> None:
    assert {*FAILS, *INCOMPLETE, *NEVER_ENDS} <= set(FAULTS)


def test_a_good_answer_reaches_the_sdk(good: Answer) -> None:
    assert good.text.startswith("[sandbox] Hello!")
    same(good.final, good)


@pytest.mark.parametrize("name", WHOLE)
def test_repaired_faults_do_not_show_in_a_stream(sdk: openai.OpenAI, good: Answer, name: str) -> None:
    answer = stream(sdk, Answer([]), **misbehave(name))
    assert answer.text == good.text
    same(answer.final, good)
    numbers = [event.sequence_number for event in answer.events if event.type != "response.sandbox.news"]
    assert numbers == sorted(set(numbers))
    about_items = [event for event in answer.events if hasattr(event, "item_id")]
    assert {event.item_id for event in about_items} == {item.id for item in answer.final.output}
    assert all(answer.final.output[event.output_index].id == event.item_id for event in about_items)


@pytest.mark.parametrize("name", WHOLE)
def test_repaired_faults_do_not_show_without_streaming(sdk: openai.OpenAI, good: Answer, name: str) -> None:
    same(sdk.responses.create(**HELLO, extra_headers=misbehave(name)), good)


@pytest.mark.parametrize("name", MESSAGE_ALONE)
def test_a_message_without_its_reasoning_is_kept(sdk: openai.OpenAI, good: Answer, name: str) -> None:
    answer = stream(sdk, Answer([]), **misbehave(name))
    assert answer.text == good.text
    for response in (answer.final, sdk.responses.create(**HELLO, extra_headers=misbehave(name))):
        assert response.status == "completed"
        assert response.output_text == good.text


@pytest.mark.parametrize(
    "name", ["response-done", "empty-output", "thin-terminal", "bare-events", "no-type", "json", *COURSE]
)
@pytest.mark.parametrize("kind", TOOLS)
def test_tool_calls_of_every_kind_are_complete(sdk: openai.OpenAI, kind: str, name: str) -> None:
    """With and without streaming."""
    prompt, tool, member, words = TOOLS[kind]
    request = {**HELLO, "input": prompt, "tools": [tool], "extra_headers": misbehave(name)}
    with sdk.responses.stream(**request) as events:
        seen: list[Any] = list(events)
        streamed = events.get_final_response()
    deltas = "".join(event.delta for event in seen if event.type.endswith(("arguments.delta", "input.delta")))
    for response in (streamed, sdk.responses.create(**request)):
        assert [item.type for item in response.output] == ["reasoning", kind]
        call = response.output[1].to_dict()
        assert call["status"] == "completed"
        assert call["id"]
        assert call["call_id"]
        assert words in str(call[member])
        assert deltas == (call[member] if isinstance(call[member], str) else "")


@pytest.mark.parametrize("name", INCOMPLETE)
def test_a_response_that_ends_early_has_its_reason(sdk: openai.OpenAI, good: Answer, name: str) -> None:
    answer = Answer([])
    # The SDK's helper returns completed responses only.
    with suppress(RuntimeError):
        stream(sdk, answer, **misbehave(name))
    assert answer.events[-1].type == "response.incomplete"
    for response in (answer.events[-1].response, sdk.responses.create(**HELLO, extra_headers=misbehave(name))):
        assert response.status == "incomplete"
        assert response.incomplete_details.reason == INCOMPLETE[name]
        assert [item.type for item in response.output] == ["reasoning", "message"]
        assert response.output[1].content[0].text == good.text
        assert response.model == "gpt-5-codex"
        assert response.usage.output_tokens > 0


@pytest.mark.parametrize("name", FAILS)
def test_streaming_raises(sdk: openai.OpenAI, good: Answer, name: str) -> None:
    expected = FAILS[name]
    answer = Answer([])
    with pytest.raises(openai.APIError) as raised:
        stream(sdk, answer, **misbehave(name))
    assert answer.final is None
    if expected.in_stream:
        assert answer.events
        assert good.text.startswith(answer.text)
        assert not isinstance(raised.value, openai.APIStatusError | openai.APIConnectionError)
        tells(raised.value, expected)
    else:
        assert not answer.events
        refused(raised.value, expected)


@pytest.mark.parametrize("name", FAILS)
def test_not_streaming_raises(sdk: openai.OpenAI, name: str) -> None:
    expected = FAILS[name]
    with pytest.raises(openai.APIStatusError) as raised:
        sdk.responses.create(**HELLO, extra_headers=misbehave(name))
    refused(raised.value, expected)


def refused(error: openai.APIError, expected: Fails) -> None:
    """Assert that it is an HTTP error of the right class and shape."""
    assert isinstance(error, openai.APIStatusError)
    assert error.status_code == expected.status
    assert type(error) is OF_STATUS[expected.status]
    assert error.response.headers["content-type"] == "application/json"
    (payload,) = error.response.json().values()
    assert set(error.response.json()) == {"error"}
    assert set(payload) - OF_A_LIMIT == MEMBERS
    wait = error.response.headers.get("retry-after")
    if expected.retry_after is None:
        assert wait is None
    else:
        assert wait is not None
        # A limit that ends at a fixed time is some seconds nearer by now.
        assert expected.retry_after - 30 <= int(wait) <= expected.retry_after
    if not expected.in_stream or expected.status < 502:
        tells(error, expected)


def tells(error: openai.APIError, expected: Fails) -> None:
    """Assert that code and message are right, and that the message is readable."""
    if expected.code is not None:
        assert error.code == expected.code
    assert any(word in error.message for word in expected.says.split("|")), error.message
    assert "<" not in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize("name", ENDING)
@pytest.mark.parametrize("streaming", [True, False])
def test_every_byte_is_for_an_openai_client(quiet_proxy: Proxy, name: str, streaming: bool) -> None:
    """With every fault the body is an event stream, a response object or an error of OpenAI's, as its type says."""
    status, headers, body = quiet_proxy.send({**HELLO, "stream": streaming}, **misbehave(name))
    kind = headers.get_content_type()
    assert b"<html" not in body.lower()
    assert "set-cookie" not in headers
    assert "content-encoding" not in headers
    if status != 200:
        assert kind == "application/json"
        assert set(json.loads(body)["error"]) - OF_A_LIMIT == MEMBERS
    elif streaming:
        assert kind == "text/event-stream"
        assert b"codex." not in body
        assert b"response.done" not in body
    else:
        assert kind == "application/json"
        assert json.loads(body)["object"] == "response"


@pytest.mark.parametrize("misbehaviour", ["more-headers", "more-headers+failed@0", "more-headers+empty-chunked"])
@pytest.mark.parametrize("streaming", [True, False])
def test_only_headers_for_the_client_reach_it(quiet_proxy: Proxy, misbehaviour: str, streaming: bool) -> None:
    """The request id and the limits reach the client; cookies and hop-by-hop headers do not."""
    answer = quiet_proxy.send({**HELLO, "stream": streaming}, x_sandbox_misbehave=misbehaviour)
    headers = answer[1]
    assert headers["x-request-id"].startswith("req_sandbox_")
    assert headers["x-ratelimit-remaining-requests"] == "99"
    assert headers["x-codex-primary-used-percent"] == "42"
    assert not {"set-cookie", "keep-alive", "proxy-authenticate"} & {name.lower() for name in headers}


def test_a_redirect_is_not_followed(sdk: openai.OpenAI, shared_sandbox: Sandbox) -> None:
    """Neither by the proxy nor by the client, which would send its key too."""
    shared_sandbox.forget()
    with pytest.raises(openai.APIStatusError) as raised:
        sdk.responses.create(**HELLO, extra_headers=misbehave("redirect"))
    assert "location" not in raised.value.response.headers
    assert [entry["path"] for entry in shared_sandbox.requests] == ["/backend-api/codex/responses"]


@pytest.mark.parametrize("name", sorted(NEVER_ENDS))
@pytest.mark.parametrize("streaming", [True, False])
def test_a_client_that_times_out_ends_the_request_to_the_endpoint(
    sdk: openai.OpenAI, shared_sandbox: Sandbox, name: str, streaming: bool
) -> None:
    """The client gets what there is until its own timeout, and the request to the endpoint ends at once."""
    shared_sandbox.forget()
    answer = Answer([])
    impatient = sdk.with_options(timeout=0.5)

    def ask() -> None:
        if streaming:
            stream(impatient, answer, **misbehave(name))
        else:
            impatient.responses.create(**HELLO, extra_headers=misbehave(name))

    # The exception depends on the SDK's generation, and on whether the headers had arrived.
    with pytest.raises(Exception, match=r"(?i)timed out"):
        ask()
    assert len(answer.events) == (FAULTS[name].at if streaming and name == "hang" else 0)
    assert shared_sandbox.wait(lambda requests: [entry["cancelled"] for entry in requests] == [True])
