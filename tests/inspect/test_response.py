"""The page on a response: complete, broken off or missing."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request.test_properties import anything
from response.streams import answer, block, call, dumps, message, numbered, reasoning, response, stream

from codex_transform.errors import ApiError
from codex_transform.inspect.response import render
from codex_transform.response.response_to_events import response_to_stream
from codex_transform.response.upstream_error import UpstreamError
from codex_transform.text import sanitize
from codex_transform.usage.record import CacheVerdict, Record, Tokens

RECORD = Record(
    at=0.0,
    asked="gpt-5.1-codex-high",
    model="gpt-5.1-codex",
    effort="high",
    verbosity="low",
    repaired=("model", "usage", "something new"),
    events=231,
    tokens=Tokens(input=12_345, cached=11_264, output=480, reasoning=320),
    first_token=0.8,
    total=6.1,
    cache=CacheVerdict(cause="append", says="pure append: about 11,264 tokens expected, 11,264 reported"),
)
PATCH = "*** Begin Patch\n*** Add File: a.txt\n+one\n+two\n*** End Patch"


def record_with(**changed: Any) -> Record:
    return replace(RECORD, **changed)


def test_the_numbers_come_first() -> None:
    page = render(stream(answer()), RECORD).split("\n")
    assert page[:8] == [
        "Model         gpt-5.1-codex-high → gpt-5.1-codex · effort high · verbosity low",
        "Status        HTTP 200 · completed",
        "Tokens        12,345 in (11,264 cached, 91%) · 480 out (320 reasoning)",
        "Time          0.80 s to the first token · 6.1 s in all · 91 tokens/s",
        "Cache         pure append: about 11,264 tokens expected, 11,264 reported",
        "Repaired      model name restored, token counts added, something new",
        "Events        231 events",
        "",
    ]


def test_the_page_says_why_the_cache_was_not_compared() -> None:
    page = " ".join(render(stream(answer()), record_with(cache=None)).split())
    assert "Cache not compared with an earlier request, because the client sent no prompt_cache_key" in page
    assert "Cache" not in render(stream(answer()), record_with(cache=None, conversation="ses_1"))
    assert "Cache" not in render(stream(answer()), record_with(cache=None, tokens=None))


def test_without_a_record_the_page_shows_what_the_body_has() -> None:
    body = response_to_stream(response([message()], reasoning={"effort": "low"}))
    page = render(body, status=200)
    assert "Model         gpt-5.3-codex · effort low\n" in page
    assert "Status        HTTP 200 · completed\n" in page
    assert "Tokens        75 in (64 cached, 85%) · 12 out (3 reasoning)\n" in page
    assert "Cache" not in page


def test_the_output_is_shown_item_by_item() -> None:
    custom = {"type": "custom_tool_call", "id": "ctc", "call_id": "call_2", "name": "apply_patch", "input": PATCH}
    search = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}
    body = response_to_stream(response([reasoning(), message("Hi\nthere"), call('{"path":"a","n":1}'), custom, search]))
    page = render(body, RECORD)
    headings = [line.strip("─ ") for line in page.split("\n") if line.startswith("── ")]
    assert headings == [
        "reasoning · encrypted: 4 characters",
        "assistant",
        "tool call · read · call_fc_1",
        "tool call · apply_patch · call_2",
        "web search",
    ]
    assert "\nThinking\n" in page
    assert "\nHi\nthere\n" in page
    assert '\n{\n  "path": "a",\n  "n": 1\n}\n' in page
    assert f"\n{PATCH}\n" in page
    assert page.endswith('{\n  "type": "search",\n  "query": "q"\n}')


def test_a_json_response_is_shown_like_its_stream() -> None:
    complete = response([reasoning(), message("Hi"), call()])
    assert render(json.dumps(complete).encode(), RECORD) == render(response_to_stream(complete), RECORD)


def test_truncated_arguments_are_shown_unchanged() -> None:
    assert render(response_to_stream(response([call('{"path": "a')])), RECORD).endswith('{"path": "a')


def test_a_stream_without_its_end_shows_the_text_so_far() -> None:
    events = answer("Hello, world", cuts=3)
    for number in range(5, len(events)):
        page = render(stream(events[:number]), record_with(outcome="left", total=1.0))
        assert page.startswith("THE CLIENT LEFT\nWhat to do: ")
        assert "the client left before the end" in page
        received = "Hello, world"[: 4 * min(number - 4, 3)]
        assert page.endswith(f"\n{received}")
    half = stream(events[:6]) + block(events[6])[:-20]
    assert render(half).endswith("\nHello, w")
    assert "in progress, or broken off" in render(half)


def test_arguments_of_a_broken_stream_are_shown() -> None:
    added = {**call(""), "status": "in_progress"}
    ids = {"item_id": "fc_1", "output_index": 0}
    deltas = [
        {"type": "response.function_call_arguments.delta", **ids, "delta": part} for part in ('{"pa', 'th":', ' "x')
    ]
    error = UpstreamError("The answer broke off.", "server_error", "server_error").event(9)
    events = numbered([{"type": "response.output_item.added", "output_index": 0, "item": added}, *deltas])
    page = render(
        stream([*events, error]), record_with(outcome="cut", error="The answer broke off.", code="stream_cut")
    )
    assert page.startswith("FAILED · stream_cut\nThe answer broke off.\nWhat to do: Nothing at first")
    assert "HTTP 200 · the endpoint broke off" in page
    assert page.endswith('{"path": "x')


@pytest.mark.parametrize(
    ("status", "code", "message", "advice"),
    [
        (429, "usage_limit_reached", "The usage limit has been reached", "Wait until the limit ends"),
        (429, "insufficient_quota", "You exceeded your quota", "no quota left"),
        (400, "context_length_exceeded", "Too long", "/compact"),
        (400, None, "The 'gpt-9' model is not supported when using Codex", "Choose another model"),
        (400, None, "Unsupported parameter: top_k", "the Request tab"),
        (401, "invalid_api_key", "refused the key", "codex_api_key"),
        (404, None, "no address of this server", "codex_base_url"),
        (503, None, "Overloaded", "OpenCode retries by itself"),
    ],
)
def test_a_failure_begins_with_the_reason_and_advice(status: int, code: str | None, message: str, advice: str) -> None:
    error = ApiError(status, message, code=code)
    record = record_with(status=status, outcome="error", error=message, code=code or error.type, tokens=None, events=0)
    first, why, fix, *rest = render(dumps(error.payload()), record).split("\n")
    assert first == f"FAILED · HTTP {status} · {code or error.type}"
    assert why == message
    assert advice in f"{fix} {rest[0]}"
    assert render(dumps(error.payload()), status=status).startswith(
        f"FAILED · HTTP {status} · {code or error.type}\n{message}\n"
    )


def test_the_page_on_a_limit_says_when_to_retry() -> None:
    body = dumps(ApiError(429, "The usage limit has been reached", code="usage_limit_reached").payload())

    def page(retry_after: str) -> str:
        return " ".join(render(body, status=429, retry_after=retry_after).split())

    assert "The endpoint asks for a retry in 90 s." in page("90")
    assert "The endpoint asks for a retry in 60 min." in page("3600")
    assert "The endpoint asks for a retry in 50.0 h." in page("180000")
    for odd in ("soon", "", "-1", "9" * 400, "²"):
        assert "The endpoint asks" not in page(odd)


def test_the_page_says_that_a_request_was_not_sent() -> None:
    body = dumps(ApiError(400, "`input` is missing").payload())
    page = render(body, Record(at=0, status=400, outcome="error", error="`input` is missing"))
    assert "The request was not sent to the endpoint." in " ".join(page.split())


def test_the_page_says_why_a_response_failed() -> None:
    failed = response(status="failed", error={"code": "server_error", "message": "It broke."})
    page = render(stream(numbered([{"type": "response.failed", "response": failed}])))
    assert page.startswith("FAILED · server_error\nIt broke.\nWhat to do: ")


def test_the_page_says_why_a_response_is_incomplete() -> None:
    incomplete = response([message("Hal")], "incomplete", incomplete_details={"reason": "max_output_tokens"})
    page = render(response_to_stream(incomplete), record_with(outcome="incomplete"))
    assert "stopped before its end: max_output_tokens" in page
    assert page.endswith("\nHal")


def test_long_output_is_truncated_with_a_marker() -> None:
    page = render(response_to_stream(response([message("word " * 40_000)])), RECORD)
    assert page.endswith("\n[cut: 100,000 more characters]")
    assert len(page) < 110_000


def test_control_characters_and_html_are_shown_as_text() -> None:
    page = render(response_to_stream(response([message("<script>alert(1)</script>\x1b[31m\x07\u202eevil\r\nend")])))
    assert page.endswith("<script>alert(1)</script>\ufffd[31m\ufffd\ufffdevil\nend")


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in</html>", b"plain words", b"[1, 2]", b'"text"', b'{"object": "list"}', b"\xff\xfe"]
)
def test_a_body_that_is_no_response_is_shown_unchanged(body: bytes) -> None:
    page = render(body)
    assert page.endswith(
        body.decode(errors="replace")
        or "no output ───────────────────────────────────────────────────────────────────────"
    )


@pytest.mark.parametrize("encoding", [{}, {"end": b"\r\n"}, {"end": b"\r"}, {"name": None}])
def test_streams_with_any_line_endings_are_shown_the_same(encoding: dict[str, Any]) -> None:
    assert render(stream(answer("Hello"), **encoding)) == render(stream(answer("Hello")))
    assert render(stream(answer("Hello")[:-1], **encoding)) == render(stream(answer("Hello")[:-1]))


def test_five_megabytes_take_seconds_not_minutes() -> None:
    events = answer("word and word " * 40_000, cuts=14_000)
    complete = stream(events)
    assert len(complete) > 5_000_000
    bodies = (complete, stream(events[:-3]), b"\n" * 5_000_000, b"data:\n\n" * 700_000, b"data: {}\r\r" * 500_000)
    for body in (*bodies, json.dumps(response([message("汉" * 1_500_000)]), ensure_ascii=False).encode()):
        began = time.process_time()
        assert render(body)
        assert time.process_time() - began < 20  # 0.05 to 0.4 s on an idle machine; minutes if it were quadratic


odd_events = st.lists(
    st.builds(
        lambda kind, members: {**members, "type": kind},
        st.sampled_from(
            [
                "response.completed",
                "response.failed",
                "response.output_item.done",
                "response.output_item.added",
                "error",
                "response.output_text.delta",
                "response.created",
                "response.function_call_arguments.delta",
                "x",
            ]
        ),
        st.dictionaries(
            st.sampled_from(
                ["response", "item", "delta", "output_index", "error", "message", "item_id", "content_index"]
            ),
            anything
            | st.builds(
                lambda output, rest: {**rest, "output": output}, anything, st.dictionaries(st.just("usage"), anything)
            ),
            max_size=4,
        ),
    ),
    max_size=6,
)
records = st.none() | st.builds(
    record_with,
    outcome=st.sampled_from(["completed", "incomplete", "failed", "error", "cut", "left"]),
    error=st.none() | st.text(max_size=20),
    model=st.none() | st.text(max_size=9),
    total=st.none() | st.floats(0, 1e6),
    tokens=st.none() | st.just(Tokens()),
)


def is_page(page: str) -> bool:
    """Return whether there is a page, with nothing in it that a terminal would obey."""
    return page != "" and page == sanitize(page)


@given(odd_events, records, st.integers(0, 400), st.none() | st.text(max_size=5))
def test_any_stream_is_rendered(events: Any, record: Record | None, end: int, retry_after: str | None) -> None:
    body = stream(events)
    for each in (body, body[:end]):
        assert is_page(render(each, record, status=200, retry_after=retry_after))


@given(anything | st.dictionaries(st.sampled_from(["output", "error", "status", "usage", "model"]), anything), records)
def test_any_json_is_rendered(value: Any, record: Record | None) -> None:
    assert is_page(render(dumps(value), record))


@given(st.binary(max_size=200), records)
def test_any_bytes_are_rendered(body: bytes, record: Record | None) -> None:
    assert is_page(render(body, record))
