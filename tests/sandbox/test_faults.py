"""Every fault, by the bytes that are sent."""

import gzip
import re
import socket
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
from pydantic_core import from_json
from sandbox.client import Client, Exchange, event_stream

from codex_transform.sandbox import FAULTS, Sandbox, UnknownFaultError, running
from codex_transform.sandbox.faults.table import parse_faults
from codex_transform.zstd import zstd

GOOD = ["response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"]
HEAD_END = b"\r\n\r\n"

Check = Callable[[Exchange], bool]


def terminal(answer: Exchange) -> dict[str, Any]:
    return answer.events[-1]


def is_complete(answer: Exchange) -> bool:
    return answer.complete and answer.types[-1] == "response.completed" and answer.text.startswith("[sandbox] Hello!")


def without(answer: Exchange, part: str) -> bool:
    return len(answer.types) > 2 and not any(part in kind for kind in answer.types) and not numbers_skip(answer)


def numbers_skip(answer: Exchange) -> bool:
    return [event["sequence_number"] for event in answer.events] != list(range(len(answer.events)))


def item_ids(answer: Exchange) -> list[str]:
    return [
        event.get("item_id") or event["item"]["id"] for event in answer.events if {"item_id", "item"} & event.keys()
    ]


def inflate(window: int) -> Callable[[bytes], bytes]:
    return lambda data: zlib.decompressobj(window).decompress(data)


DECODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": inflate(31),
    "deflate": inflate(15),
    "deflate-raw": inflate(-15),
    "br": lambda data: brotli.Decompressor().process(data),
    "zstd": lambda data: zstd.ZstdDecompressor().decompress(data),
}

EVENTS: dict[str, Check] = {
    "response-done": lambda a: a.types[-1] == "response.done" and "response" in terminal(a),
    "filled-output": lambda a: terminal(a)["response"]["output"] == a.items,
    "empty-output": lambda a: terminal(a)["response"]["output"] == [],
    "null-output": lambda a: terminal(a)["response"]["output"] is None,
    "missing-output": lambda a: "output" not in terminal(a)["response"],
    "thin-terminal": lambda a: set(terminal(a)["response"]) == {"id", "usage"},
    "rate-limit-events": lambda a: [a.types[1], a.types[-2]] == ["codex.rate_limits"] * 2,
    "unknown-events": lambda a: [a.types[1], a.types[-2]] == ["response.sandbox.news"] * 2,
    "no-sequence-number": lambda a: not any("sequence_number" in event for event in a.events),
    "no-item-id": lambda a: not any("item_id" in event for event in a.events),
    "no-output-index": lambda a: not any("output_index" in event for event in a.events),
    "bare-events": lambda a: (
        {key for event in a.events for key in event}
        == {"type", "response", "item", "part", "delta", "text", "logprobs"}
    ),
    "thin": lambda a: (
        {key for event in a.events for key in event} == {"type", "response", "item", "part", "delta", "text"}
        and set(terminal(a)["response"]) == {"id", "usage"}
        and not any({"id", "status", "role"} & item.keys() for item in a.items)
    ),
    "only-final": lambda a: (
        a.types == ["response.created", "response.completed"] and terminal(a)["response"]["output"][0]["content"]
    ),
    "only-items": lambda a: a.types == ["response.output_item.done", "response.completed"],
    "only-deltas": lambda a: (
        set(a.types) == {"response.output_text.delta", "response.completed"} and not numbers_skip(a)
    ),
    "no-created": lambda a: a.types[0] == "response.output_item.added",
    "no-item-added": lambda a: without(a, "output_item.added"),
    "no-part-events": lambda a: without(a, "_part."),
    "no-text-done": lambda a: without(a, "text.done"),
    "no-item-done": lambda a: without(a, "output_item.done") and terminal(a)["response"]["output"],
    "no-endings": lambda a: without(a, ".done") and terminal(a)["response"]["output"],
    "no-deltas": lambda a: without(a, ".delta") and "response.content_part.done" in a.types,
    "rotating-ids": lambda a: len(ids := item_ids(a)) == len(set(ids)) > 10,
    "rotating-ids-filled": lambda a: terminal(a)["response"]["output"][0]["id"] not in item_ids(a),
    "bare-openings": lambda a: is_complete(a) and "content" not in a.events[2]["item"],
    "chat-usage": lambda a: terminal(a)["response"]["usage"]["completion_tokens"] > 0,
    "other-model": lambda a: (
        {event["response"]["model"] for event in a.events if "response" in event} == {"gpt-sandbox-2026-01-01"}
    ),
    "no-terminal": lambda a: a.complete and a.types == GOOD,
    "error-event": lambda a: (
        a.types == [*GOOD, "error"]
        and terminal(a) | {"message": ""}
        == {"type": "error", "code": "server_error", "message": "", "param": None, "sequence_number": 4}
    ),
    "error-event-nested": lambda a: a.types == [*GOOD, "error"] and "message" in terminal(a)["error"],
    "failed": lambda a: (
        a.types == [*GOOD, "response.failed"]
        and terminal(a)["response"]["status"] == "failed"
        and terminal(a)["response"]["error"]["code"] == "server_error"
    ),
    "failed-rate-limit": lambda a: terminal(a)["response"]["error"]["code"] == "rate_limit_exceeded",
    "failed-context": lambda a: terminal(a)["response"]["error"]["code"] == "context_length_exceeded",
    "no-final-event": lambda a: a.complete and a.types[-1] == "response.output_item.done",
    "failed-quota": lambda a: terminal(a)["response"]["error"]["code"] == "insufficient_quota",
    "incomplete": lambda a: (
        a.types[-1] == "response.incomplete"
        and terminal(a)["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
        and terminal(a)["response"]["status"] == "incomplete"
    ),
    "incomplete-filter": lambda a: terminal(a)["response"]["incomplete_details"] == {"reason": "content_filter"},
}

ENCODINGS: dict[str, Check] = {
    "no-event-lines": lambda a: is_complete(a) and b"event:" not in a.body,
    "no-type": lambda a: (
        not any("type" in event for event in a.events) and a.named_events[-1][0] == "response.completed"
    ),
    "no-spaces": lambda a: is_complete(a) and b"data: " not in a.body and b"event: " not in a.body,
    "many-lines": lambda a: is_complete(a) and a.body.count(b"\ndata: ") > 5 * len(a.events),
    "all-fields": lambda a: (
        is_complete(a) and b"\nretry: 3000\n" in a.body and a.body.startswith(b": comment\nid: 0\n")
    ),
    "crlf": lambda a: is_complete(a) and a.body.count(b"\n") == a.body.count(b"\r\n") == a.body.count(b"\r"),
    "cr": lambda a: is_complete(a) and b"\n" not in a.body,
    "mixed-line-ends": lambda a: is_complete(a) and set(re.findall(b"\r\n|\r|\n", a.body)) == {b"\n", b"\r\n", b"\r"},
    "comments": lambda a: is_complete(a) and a.body.count(b": keep-alive\n\n") == len(a.events),
    "bom": lambda a: is_complete(a) and a.body.startswith(b"\xef\xbb\xbfevent: "),
    "no-final-blank": lambda a: a.complete and a.body.endswith(b"}") and "response.completed" in str(a.body),
    "done-mark": lambda a: a.complete and a.body.endswith(b"}\n\ndata: [DONE]\n\n"),
    "byte-by-byte": lambda a: is_complete(a) and {len(chunk) for chunk in a.chunks} == {1},
    "one-piece": lambda a: is_complete(a) and len(a.chunks) == 1,
}

RESPONSES: dict[str, tuple[int, str | None, Check]] = {
    "json": (200, "application/json", lambda a: a.json["output"][0]["type"] == "message"),
    "json-as-stream": (200, "text/event-stream", lambda a: a.json["status"] == "completed"),
    "json-error-200": (200, "application/json", lambda a: "error" in a.json),
    "plain-type": (200, "text/plain", is_complete),
    "json-type": (200, "application/json", is_complete),
    "no-type-header": (200, None, is_complete),
    "content-length": (
        200,
        "text/event-stream",
        lambda a: is_complete(a) and len(a.body) == int(a.headers["content-length"]),
    ),
    "more-headers": (
        200,
        "text/event-stream",
        lambda a: is_complete(a) and {"set-cookie", "keep-alive", "x-codex-primary-used-percent"} <= a.headers.keys(),
    ),
    "html-200": (200, "text/html", lambda a: b"<html" in a.body),
    "html-403": (403, "text/html", lambda a: b"<html" in a.body),
    "html-502": (502, "text/html", lambda a: b"<html" in a.body),
    "empty": (200, "text/event-stream", lambda a: a.body == b"" and a.headers["content-length"] == "0"),
    "empty-chunked": (200, "text/event-stream", lambda a: a.raw.endswith(HEAD_END + b"0\r\n\r\n")),
    "usage-limit-404": (404, "application/json", lambda a: a.json["error"]["resets_in_seconds"] == 3600),
    "usage-limit-429": (429, "application/json", lambda a: 3500 < a.json["error"]["resets_at"] - time.time() < 3700),
    "usage-limit-headers": (
        404,
        "application/json",
        lambda a: (
            a.headers["x-codex-primary-reset-after-seconds"] == "3600"
            and a.json["error"]["type"] == "usage_limit_reached"
            and not any(name.startswith("resets") for name in a.json["error"])
        ),
    ),
    "usage-not-included": (403, "application/json", lambda a: a.json["error"]["type"] == "usage_not_included"),
    "rate-limit": (429, "application/json", lambda a: a.json["error"]["code"] == "rate_limit_exceeded"),
    "unauthorized": (401, "application/json", lambda a: a.json["error"]["code"] == "invalid_api_key"),
    "plain-500": (500, "text/plain", lambda a: a.body == b"Internal Server Error"),
    "detail-503": (503, "application/json", lambda a: "detail" in a.json and a.headers["retry-after"] == "7"),
    "quota-403": (403, "application/json", lambda a: a.json["error"]["code"] == "insufficient_user_quota"),
    "codex-only-403": (403, "application/json", lambda a: a.json["error"]["code"] == "codex_access_restricted"),
    "model-403": (403, "application/json", lambda a: "model" in a.json["error"]["message"]),
    "region-403": (403, "application/json", lambda a: "region" in a.json["error"]["code"]),
    "limit-in-words": (429, "application/json", lambda a: "in 3h 12m" in a.json["error"]["message"]),
    "overloaded": (503, "application/json", lambda a: a.json["error"]["code"] == "server_is_overloaded"),
    "bad-gateway": (502, "text/plain", lambda a: a.body == b"Bad Gateway"),
    "redirect": (302, "text/plain", lambda a: a.headers["location"].startswith("http://localhost:")),
}

BROKEN: dict[str, Check] = {
    "cut": lambda a: a.types == GOOD and not a.raw.endswith(b"0\r\n\r\n"),
    "cut-mid-event": lambda a: a.types == GOOD and bool(a.chunks[4]) and not a.body.endswith(b"\n\n"),
    "cut-before-head": lambda a: a.raw == b"",
    "too-short": lambda a: a.types[-1] == "response.completed" and int(a.headers["content-length"]) > len(a.body),
    "reset": lambda a: a.reset and (not a.raw or a.types == GOOD),
    "reset-before-head": lambda a: a.reset and a.raw == b"",
    "half-head": lambda a: a.raw.startswith(b"HTTP/1.1 200 OK\r\n") and HEAD_END not in a.raw,
    "not-http": lambda a: not a.raw.startswith(b"HTTP/"),
    "bad-chunk": lambda a: a.types == GOOD and b"\nsandbox\r\n" in a.raw,
    "flood": lambda a: a.body.startswith(b"data: xxx") and len(a.body) > 1_000_000 and b"\n" not in a.body,
}

HANGING = ("open-end", "hang", "hang-before-head", "half-head-hang")
TIMED = ("slow", "close-later", "until-close", "false-gzip")


def test_every_fault_is_tested() -> None:
    refused = {name for name, fault in FAULTS.items() if fault.about.startswith("refuses ")} | {"too-large"}
    codings = {coding + end for coding in DECODE for end in ("", "-truncated")}
    assert FAULTS.keys() == {*EVENTS, *ENCODINGS, *RESPONSES, *BROKEN, *HANGING, *TIMED, *refused, *codings}


@pytest.mark.parametrize("name", EVENTS)
def test_the_events_of_a_stream(client: Client, name: str) -> None:
    answer = client.ask("hello", misbehave=name)
    assert answer.status == 200
    assert EVENTS[name](answer), answer.types


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_encoding_of_a_stream(client: Client, name: str) -> None:
    assert ENCODINGS[name](client.ask("hello", misbehave=name))


@pytest.mark.parametrize("coding", DECODE)
def test_compressed_streams_are_flushed_after_each_event(client: Client, coding: str) -> None:
    answer = client.ask("hello", misbehave=coding)
    assert answer.complete
    assert answer.headers["content-encoding"] == coding.removesuffix("-raw")
    body = DECODE[coding](answer.body)
    assert body.startswith(b"event: response.created\n")
    assert body.count(b"\n\n") == len(answer.chunks) > 10
    # The first events can be read before the end has been received.
    beginning = DECODE[coding](b"".join(answer.chunks[:5]))
    assert beginning.count(b"\n\n") == 5
    if coding == "gzip":
        assert gzip.decompress(answer.body) == body


@pytest.mark.parametrize("coding", DECODE)
def test_truncated_compressed_streams_lack_their_end(client: Client, coding: str) -> None:
    answer = client.ask("hello", misbehave=f"{coding}-truncated")
    assert answer.complete
    body = DECODE[coding](answer.body)
    assert b"response.output_text.delta" in body
    ended = [name for name, _ in event_stream(body.decode(errors="ignore").encode())]
    assert ended[0] == "response.created"
    assert "response.completed" not in ended


@pytest.mark.parametrize("name", RESPONSES)
def test_other_responses(client: Client, name: str) -> None:
    status, content_type, check = RESPONSES[name]
    answer = client.ask("hello", misbehave=name)
    assert (answer.status, answer.complete) == (status, True)
    assert answer.headers.get("content-type", "").partition(";")[0] == (content_type or "")
    assert answer.headers["x-codex-sandbox"] == "1"
    assert check(answer)


def test_close_later_waits_before_it_closes(client: Client) -> None:
    began = time.monotonic()
    assert client.ask("hello", misbehave="close-later@50").raw == b""
    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("name", BROKEN)
def test_broken_connections(client: Client, name: str) -> None:
    number = "@1" if name == "flood" else ""
    answer = client.ask("hello", misbehave=name + number)
    assert not answer.complete
    assert BROKEN[name](answer), answer.raw[-300:]
    assert client.ask("hello").complete


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("open-end", b"HTTP/1.1 200"),
        ("hang", b"HTTP/1.1 200"),
        ("hang-before-head", b""),
        ("half-head-hang", b"HTTP/1.1 200"),
    ],
)
def test_a_hanging_response_ends_when_the_client_leaves(
    client: Client, sandbox: Sandbox, name: str, begins: bytes
) -> None:
    with client.posted(client.body(), x_sandbox_misbehave=name) as connection:
        # Wait long for the first bytes, and briefly to see that no more follow.
        connection.settimeout(30 if begins else 0.2)
        received = b""
        with suppress(TimeoutError):
            while True:
                data = connection.recv(65536)
                assert data, "the connection closed"
                received += data
                connection.settimeout(0.2)
        assert received.startswith(begins)
        assert bool(received) == bool(begins)
        assert not sandbox.requests[-1]["finished"]
    assert sandbox.wait(lambda requests: requests[-1]["cancelled"])


def test_until_close_has_neither_length_nor_chunks(client: Client) -> None:
    answer = client.ask("hello", misbehave="until-close")
    assert is_complete(answer)
    assert not {"content-length", "transfer-encoding"} & answer.headers.keys()


def test_false_gzip_is_plain_text(client: Client) -> None:
    answer = client.ask("hello", misbehave="false-gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert is_complete(answer)


def test_slow_pauses_between_events(client: Client) -> None:
    began = time.monotonic()
    answer = client.ask("hello", misbehave="slow@5")
    assert is_complete(answer)
    assert time.monotonic() - began >= 0.005 * len(answer.events)


def test_a_redirect_leads_back_to_the_sandbox_which_records_it(client: Client, sandbox: Sandbox) -> None:
    location = client.ask("hello", misbehave="redirect").headers["location"]
    path = location.removeprefix(f"http://localhost:{sandbox.port}")
    client.get(path, authorization=f"Bearer {sandbox.key}")
    assert [request["path"] for request in sandbox.requests][-1] == path


@pytest.mark.parametrize("name", ["cut", "no-terminal", "error-event", "bad-chunk"])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_the_event_after_which_to_break_off_can_be_chosen(client: Client, name: str, count: int) -> None:
    events = client.ask("hello", misbehave=f"{name}@{count}").types
    assert len([kind for kind in events if kind != "error"]) == count


def test_faults_can_be_combined(client: Client) -> None:
    answer = client.ask("hello", misbehave="response-done+no-event-lines+crlf+gzip+cut@6")
    assert not answer.complete
    body = DECODE["gzip"](answer.body)
    assert body.count(b"\r\n\r\n") == 6
    assert b"event:" not in body
    answer = client.ask("hello", misbehave="response-done + bom")
    assert answer.types[-1] == "response.done"


@pytest.mark.parametrize("name", ["nonsense", "cut@", "cut@x", "cut@-1", "cut+", "gzip+gzop"])
def test_unknown_faults_are_refused(client: Client, name: str) -> None:
    with pytest.raises(UnknownFaultError):
        parse_faults(name)
    assert client.ask("hello", misbehave=name).status == 400


def test_similar_names_are_suggested() -> None:
    with pytest.raises(UnknownFaultError, match="'usage-limit': there are usage-limit-404, usage-limit-429"):
        parse_faults("usage-limit")


def test_a_plan_lasts_for_the_given_number_of_requests(client: Client, sandbox: Sandbox) -> None:
    sandbox.misbehave("plain-500", times=2)
    assert [client.ask("hello").status for _ in range(4)] == [500, 500, 200, 200]
    sandbox.misbehave("plain-500")
    assert [client.ask("hello").status for _ in range(3)] == [500, 500, 500]
    sandbox.behave()
    assert client.ask("hello").status == 200
    sandbox.misbehave("cut", at=2)
    assert len(client.ask("hello").types) == 2
    assert [request["misbehaviour"] for request in sandbox.requests][-2:] == [None, "cut"]


def test_a_plan_can_be_limited_to_requests_with_or_without_tools(client: Client, sandbox: Sandbox) -> None:
    tools = [{"type": "function", "name": "bash"}]
    sandbox.misbehave("plain-500", times=1, with_tools=True)
    assert [client.ask("hello", tools=tools).status for tools in ([], tools, tools)] == [200, 500, 200]
    sandbox.misbehave("plain-500", with_tools=False)
    assert [client.ask("hello", tools=tools).status for tools in ([], tools)] == [500, 200]


def test_a_refused_request_does_not_count_for_the_plan(client: Client, sandbox: Sandbox) -> None:
    sandbox.misbehave("html-200", times=1)
    assert client.ask("hello", store=True).status == 400
    assert client.ask("hello").body.startswith(b"<!DOCTYPE")


def test_a_sandbox_can_have_a_fault_from_the_start() -> None:
    with running(Sandbox(misbehave="response-done")) as sandbox:
        assert Client(sandbox).ask("hello").types[-1] == "response.done"
    with pytest.raises(UnknownFaultError):
        Sandbox(misbehave="nonsense")


def test_a_long_flood_waits_for_a_client_that_does_not_read(client: Client, sandbox: Sandbox) -> None:
    with client.posted(client.body(), x_sandbox_misbehave="flood@512") as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.recv(100)
        assert client.ask("hello").complete
        assert not sandbox.requests[0]["finished"]
        assert sandbox.requests[0]["sent"] < 64 * 1024 * 1024
    assert sandbox.wait(lambda requests: requests[0]["cancelled"])


def test_rate_limit_events_have_the_expected_members(client: Client) -> None:
    event = next(
        e for e in client.ask("hello", misbehave="rate-limit-events").events if e["type"] == "codex.rate_limits"
    )
    assert set(event["rate_limits"]) == {"allowed", "limit_reached", "primary", "secondary"}
    assert from_json(client.ask("hello", misbehave="no-type").named_events[0][1])["sequence_number"] == 0
