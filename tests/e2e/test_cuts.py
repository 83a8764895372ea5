"""Answers that break off at every event: the client never takes half an answer for a whole one, and the proxy works on.

Each cut is checked twice: with OpenAI's Python SDK, and in the bytes.
"""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from support.running import Proxy
from support.sdk import client

from codex_transform.sandbox import Sandbox

HELLO: dict[str, Any] = {
    "model": "gpt-5.1-codex",
    "input": "say hello",
    "reasoning": {"effort": "low", "summary": "auto"},
}

# The number after a name is that of the events before the cut.
CUTS = ["cut", "cut-mid-event", "reset", "bad-chunk", "no-terminal"]
# The endpoint itself reports the error.
ERRORS = ["error-event", "error-event-nested", "failed"]
CODINGS = ["gzip", "deflate", "br", "zstd"]


@pytest.fixture(scope="module")
def events(quiet_proxy: Proxy) -> list[dict[str, Any]]:
    """The events of a whole answer."""
    status, _, body = quiet_proxy.send({**HELLO, "stream": True})
    assert status == 200
    return parsed(body)


@pytest.fixture(scope="module")
def sdk(quiet_proxy: Proxy) -> Iterator[openai.OpenAI]:
    with client(quiet_proxy) as sdk:
        yield sdk


def parsed(body: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream; assert that every line is blank, `event:`, or a whole `data:` line of JSON."""
    lines = [line for line in body.split(b"\n") if line and not line.startswith(b"event: ")]
    return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def text(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def whole(proxy: Proxy, streaming: bool) -> None:
    """Assert that the proxy serves the next request."""
    status, _, body = proxy.send({**HELLO, "stream": streaming})
    assert status == 200
    if streaming:
        assert parsed(body)[-1]["type"] == "response.completed"
    else:
        assert json.loads(body)["status"] == "completed"


def refusal(status: int, headers: Any, body: bytes) -> dict[str, Any]:
    """Return the members of an HTTP error in OpenAI's shape."""
    assert status >= 500, body
    assert headers["content-type"] == "application/json"
    (error,) = json.loads(body).values()
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return dict(error)


def last(cut: str, events: list[dict[str, Any]]) -> int:
    """Return the number of events in a whole answer; if the body ends properly, the terminal one may be missing."""
    return len(events) - (cut == "no-terminal")


@pytest.mark.parametrize("cut", CUTS)
def test_a_stream_cut_at_any_event_ends_with_an_error(
    quiet_proxy: Proxy, events: list[dict[str, Any]], cut: str
) -> None:
    for at in range(last(cut, events)):
        status, headers, body = quiet_proxy.send({**HELLO, "stream": True}, x_sandbox_misbehave=f"{cut}@{at}")
        if at == 0:
            refusal(status, headers, body)
            continue
        assert status == 200, at
        got = parsed(body)
        # A reset may overtake events on their way through the kernel.
        sent = len(got) - 1 if cut == "reset" else at
        assert [event["type"] for event in got] == [*(event["type"] for event in events[:sent]), "error"], at
        assert got[-1]["error"]["code"] == got[-1]["code"] == "server_error"
        assert got[-1]["error"]["message"] == got[-1]["message"]
        assert got[-1]["sequence_number"] == sent
    whole(quiet_proxy, streaming=True)


@pytest.mark.parametrize("cut", [*CUTS, *ERRORS])
def test_a_cut_raises_in_the_sdk(
    quiet_proxy: Proxy, sdk: openai.OpenAI, events: list[dict[str, Any]], cut: str
) -> None:
    # At every event for the plainest cut only; the test above checks the bytes of the others.
    for at in range(0, last(cut, events), 1 if cut == "cut" else 4):
        deltas: list[str] = []
        with pytest.raises(openai.APIError) as raised:
            collect(sdk, f"{cut}@{at}", deltas)
        before_any = at == 0 and cut != "failed"
        assert isinstance(raised.value, openai.InternalServerError) == before_any, at
        assert "".join(deltas) == text(events[:at]) or cut == "reset", at
    whole(quiet_proxy, streaming=True)


def collect(sdk: openai.OpenAI, misbehaviour: str, deltas: list[str]) -> None:
    with sdk.responses.stream(**HELLO, extra_headers={"x-sandbox-misbehave": misbehaviour}) as stream:
        deltas.extend(event.delta for event in stream if event.type == "response.output_text.delta")
        stream.get_final_response()


@pytest.mark.parametrize("cut", [*CUTS, *ERRORS])
def test_nobody_gets_half_a_response_object(quiet_proxy: Proxy, events: list[dict[str, Any]], cut: str) -> None:
    for at in range(last(cut, events)):
        error = refusal(*quiet_proxy.send({**HELLO, "stream": False}, x_sandbox_misbehave=f"{cut}@{at}"))
        assert error["type"] == "server_error", at
    whole(quiet_proxy, streaming=False)


def test_a_cut_after_the_final_event_does_not_show(quiet_proxy: Proxy, events: list[dict[str, Any]]) -> None:
    for cut in ("cut", "bad-chunk"):
        misbehaviour = f"{cut}@{len(events)}"
        status, _, body = quiet_proxy.send({**HELLO, "stream": True}, x_sandbox_misbehave=misbehaviour)
        assert status == 200
        assert [event["type"] for event in parsed(body)] == [event["type"] for event in events]


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("cut", ["cut", "reset", "no-terminal"])
def test_a_compressed_stream_that_is_cut_ends_with_an_error(
    quiet_proxy: Proxy, events: list[dict[str, Any]], coding: str, cut: str
) -> None:
    """The events flushed before the cut have reached the client."""
    for at in (1, 5, last(cut, events) - 1):
        # The order matters: either the compressed stream is cut, or a cut stream is compressed.
        _, _, body = quiet_proxy.send({**HELLO, "stream": True}, x_sandbox_misbehave=f"{coding}+{cut}@{at}")
        got = parsed(body)
        assert got[-1]["type"] == "error", at
        assert text(got) == text(events[: len(got) - 1])
        if cut != "reset":
            # The sandbox holds the last event until it can end the compression.
            assert len(got) - 1 >= at - 1
    whole(quiet_proxy, streaming=True)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("streaming", [True, False])
def test_a_compressed_stream_without_its_end_is_an_error(quiet_proxy: Proxy, coding: str, streaming: bool) -> None:
    answer = quiet_proxy.send({**HELLO, "stream": streaming}, x_sandbox_misbehave=f"{coding}-truncated")
    if streaming:
        assert parsed(answer[2])[-1]["type"] == "error"
    else:
        refusal(*answer)
    whole(quiet_proxy, streaming=streaming)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("cut", ["cut-before-head", "reset-before-head", "half-head", "not-http"])
def test_a_connection_that_ends_without_an_answer_is_an_error(
    quiet_proxy: Proxy, shared_sandbox: Sandbox, cut: str, streaming: bool
) -> None:
    answer = quiet_proxy.send({**HELLO, "stream": streaming}, x_sandbox_misbehave=cut)
    assert answer[0] == 502
    assert f"127.0.0.1:{shared_sandbox.port}" in refusal(*answer)["message"]
    whole(quiet_proxy, streaming=streaming)
