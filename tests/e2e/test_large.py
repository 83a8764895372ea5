"""Large answers: nothing is delayed or lost, and memory stays bounded."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from support.memory import Memory
from support.running import Proxy

from codex_transform.sandbox import Sandbox

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

MEBIBYTE = 1024 * 1024
PIECE = 256 * 1024

# Numbers to count to: each is a separate event of a bit more than 220 bytes.
MANY = 450_000
DELTA = b"event: response.output_text.delta\n"


@contextmanager
def asked(proxy: Proxy, misbehaviour: str, **body: Any) -> Iterator[HTTPResponse]:
    """Yield the response to a streaming request, to be read piece by piece."""
    client = HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    whole = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True, **body}
    try:
        client.request(
            "POST",
            "http://api.openai.com/v1/responses",
            json.dumps(whole).encode(),
            {"x-sandbox-misbehave": misbehaviour},
        )
        answer = client.getresponse()
        assert answer.status == 200
        yield answer
    finally:
        client.close()


def pieces(answer: HTTPResponse) -> Iterator[bytes]:
    while piece := answer.read(PIECE):
        yield piece


@pytest.mark.parametrize("at", [1, 5, 20])
def test_every_event_arrives_as_soon_as_it_is_sent(quiet_proxy: Proxy, shared_sandbox: Sandbox, at: int) -> None:
    """After that many events the endpoint falls silent: exactly those have arrived."""
    shared_sandbox.forget()
    with asked(quiet_proxy, f"hang@{at}") as answer:
        for _ in range(at):
            assert answer.readline().startswith(b"event: response.")
            assert json.loads(answer.readline().removeprefix(b"data: "))["type"]
            assert answer.readline() == b"\n"
        assert not shared_sandbox.requests[0]["finished"]
    assert shared_sandbox.wait(lambda requests: bool(requests[0]["cancelled"]))


def test_a_hundred_megabytes_of_events_pass_in_bounded_memory(quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    shared_sandbox.forget()
    memory = Memory(quiet_proxy)
    received, deltas, end = 0, 0, b""
    with asked(quiet_proxy, "filled-output+one-piece", input=f"count to {MANY}") as answer:
        for piece in pieces(answer):
            received += len(piece)
            deltas += (end + piece).count(DELTA)
            end = (end + piece)[1 - len(DELTA) :]
    assert received > 100 * MEBIBYTE
    # Only the response objects in three events are changed: everything else is as the endpoint sent it.
    assert shared_sandbox.wait(lambda requests: bool(requests[0]["finished"]))
    assert abs(received - shared_sandbox.requests[0]["sent"]) < 3000
    assert deltas > MANY
    assert memory.growth() < 64 * MEBIBYTE


def test_a_line_without_an_end_is_passed_on_in_bounded_memory(quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    """The line is passed on rather than collected, only as fast as the client reads, and ends with an error event."""
    shared_sandbox.forget()
    memory = Memory(quiet_proxy)
    size = 256 * MEBIBYTE
    with asked(quiet_proxy, "flood@256") as answer:
        assert not shared_sandbox.wait(lambda requests: requests[0]["sent"] >= size // 2, seconds=1)
        received, end = 0, b""
        for piece in pieces(answer):
            received += len(piece)
            end = (end + piece)[-PIECE:]
    line, _, event = end.partition(b"\n\n")
    assert received - len(event) == size + len(b"data: \n\n")
    assert set(line) == {ord("x")}
    assert json.loads(event.partition(b"data: ")[2])["type"] == "error"
    assert memory.growth() < 160 * MEBIBYTE


def test_events_beyond_the_limit_are_passed_on_unchanged(quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    """An event can be too long to be rewritten: a response repeats its tools, of which one is huge here."""
    shared_sandbox.forget()
    about = "much to say " * (40 * MEBIBYTE // 12)
    tool = {"type": "function", "name": "huge", "description": about, "parameters": {"type": "object"}}
    with asked(quiet_proxy, "one-piece", tools=[tool]) as answer:
        body = b"".join(pieces(answer))
    assert shared_sandbox.wait(lambda requests: bool(requests[0]["finished"]))
    assert len(body) == shared_sandbox.requests[0]["sent"]
    events = [json.loads(line.removeprefix(b"data: ")) for line in body.split(b"\n") if line.startswith(b"data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
    for event in (events[0], events[1], events[-1]):
        assert event["response"]["tools"][0]["description"] == about
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert "[sandbox] Hello" in text
