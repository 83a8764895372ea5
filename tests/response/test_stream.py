"""A streaming client's response: how its format is sniffed, how it ends, and that chunking changes nothing."""

import json
import random
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from response.streams import (
    USAGE,
    answer,
    block,
    call,
    cuts,
    dumps,
    events_of,
    message,
    numbered,
    outcome,
    pieces,
    reasoning,
    response,
    run,
    stream,
)

from codex_transform.errors import ApiError
from codex_transform.response.client_view import ClientView
from codex_transform.response.events_to_response import collect, events_to_response
from codex_transform.response.stream import ResponseStream

ANSWER = answer()
DATA = stream(ANSWER)


# --- chunking ----------------------------------------------------------------------------------------------------

VARIANTS = [
    *ANSWER,
    *ANSWER[4:7] * 5,
    *answer("Voilà \u2028 ünï\r\n\n", cuts=6),
    {"type": "codex.rate_limits", "plan": "plus"},
    {"type": "response.done", "response": response([])},
    {"type": "response.failed", "response": response(status="failed", error={"code": "server_error", "message": "x"})},
    {"type": "error", "error": {"message": "Slow down.", "code": "rate_limit_exceeded"}},
    {"type": "response.output_item.added", "item": {"type": "message", "role": "assistant"}},
    {"type": "response.output_item.done", "output_index": 1, "item": call()},
    {"type": "response.output_text.delta", "delta": "x", "output_index": 0},
    {"type": "response.brand_new", "payload": {"sequence_number": 1}},
    {"type": "ping"},
    {"error": {"message": "bare"}},
    {},
]
RAW = [
    b": ping\n\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"data: [DONE]\n\n",
    b"event: error\ndata: text\n\n",
    b"noise\n\n",
    b"id: 1\n",
]


# Enough of a response to learn the template of its deltas.
BEGUN = {end: stream(ANSWER[:7], end=end) for end in (b"\n", b"\r\n")}


def blocks() -> st.SearchStrategy[bytes]:
    written = st.builds(
        lambda event, ends, style: (
            (b"event: " + event.get("type", "x").encode() + ends[0] if style else b"")
            + b"data: "
            + (json.dumps(event).encode() if style == 2 else dumps(event))
            + ends[1]
            + ends[2]
        ),
        st.sampled_from(VARIANTS),
        st.tuples(*[st.sampled_from([b"\n", b"\n", b"\r", b"\r\n"])] * 3),
        st.sampled_from([0, 1, 1, 2]),
    )
    return st.one_of(written, written, written, st.sampled_from(RAW))


@settings(max_examples=300)
@given(
    st.sampled_from([b"", *BEGUN.values()]),
    st.lists(blocks(), max_size=14),
    cuts(),
    st.sampled_from([None, "gpt-5.3-codex", "gpt-5-nano"]),
)
def test_any_chunking_gives_the_same_bytes(
    begun: bytes, written: list[bytes], at: list[int], model: str | None
) -> None:
    data = begun + b"".join(written)
    assert outcome(pieces(data, at), model) == outcome([data], model)


@settings(max_examples=60)
@given(st.sampled_from([b"", *BEGUN.values()]), st.lists(blocks(), max_size=8), st.sampled_from([None, "gpt-5-nano"]))
def test_one_byte_at_a_time_gives_the_same_bytes(begun: bytes, written: list[bytes], model: str | None) -> None:
    data = begun + b"".join(written)
    assert outcome((data[at : at + 1] for at in range(len(data))), model) == outcome([data], model)


@given(st.text(max_size=60), st.integers(1, 12), cuts())
def test_a_good_response_passes_unchanged(text: str, deltas: int, at: list[int]) -> None:
    data = stream(answer(text, cuts=deltas))
    assert run(pieces(data, at), "gpt-5.3-codex") == data


def test_every_event_is_sent_on_with_its_last_byte() -> None:
    for end in (b"\n", b"\r", b"\r\n"):
        live = ResponseStream(ClientView("gpt-5.3-codex"), None)
        for event in ANSWER:
            written = block(event, end=end)
            # The byte that tells CR from CRLF comes too late to wait for.
            least = len(written) - (end == b"\r\n")
            assert live.feed(written[: least - 1]) in (b"", b"\n")
            assert live.feed(written[least - 1 : least]) == written[:least]
            assert live.feed(written[least:]) == written[least:]
        assert live.finish() == b""


def test_keep_alives_are_sent_on_at_once() -> None:
    live = ResponseStream(ClientView(), None)
    assert live.feed(b": ping\n\n") == b": ping\n\n"
    assert live.feed(block(ANSWER[0])) == block(ANSWER[0])
    assert live.feed(b":\n\n") == b":\n\n"
    assert live.events == 1


def test_a_chunk_of_deltas_is_passed_on_without_a_copy() -> None:
    live = ResponseStream(ClientView("gpt-5.3-codex"), None)
    deltas = stream(
        {**ANSWER[4], "delta": word, "sequence_number": 9 + at} for at, word in enumerate(["many", "words"])
    )
    live.feed(stream(ANSWER[:6]))
    assert live.feed(deltas) is deltas


def test_a_chunk_that_looks_complete_may_be_the_rest_of_an_event() -> None:
    live = ResponseStream(ClientView(), None)
    live.feed(stream(ANSWER[:6]))
    assert live.feed(b"id: 5\n") == b""
    assert live.feed(block(ANSWER[6])) == b"id: 5\n" + block(ANSWER[6])


# --- what a response can be --------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf\n\n"])
def test_a_byte_order_mark_and_blank_lines_before_the_response_are_dropped(before: bytes) -> None:
    data = before + DATA
    assert run([data]) == DATA
    assert run(data[at : at + 1] for at in range(len(data))) == DATA


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"  \r\n\t"])
@pytest.mark.parametrize("size", [1, 7, 100000])
@pytest.mark.parametrize("wrapped", [False, True])
def test_json_becomes_the_events_of_a_stream(before: bytes, size: int, wrapped: bool) -> None:
    whole = response([reasoning(), message(), call()])
    data = before + dumps({"type": "response.done", "response": whole} if wrapped else whole)
    live = ResponseStream(ClientView("gpt-5-nano"), None)
    assert b"".join(live.feed(data[at : at + size]) for at in range(0, len(data), size)) == b""
    events = events_of(live.finish())
    assert [event["type"] for event in events][:3] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
    ]
    assert events[-1]["response"] == {**whole, "model": "gpt-5-nano"}
    assert (live.status, live.usage, live.repaired) == ("completed", USAGE, {"JSON", "model"})


@pytest.mark.parametrize(
    ("data", "status", "code", "words"),
    [
        (b"", 502, "empty_answer", "empty answer"),
        (b" \n\n ", 502, "empty_answer", "empty answer"),
        (b"\xef\xbb\xbf", 502, "empty_answer", "empty answer"),
        (b"<!DOCTYPE html><html>Sign in", 502, "not_an_answer", "codex_base_url"),
        (b"\n <html>", 502, "not_an_answer", "web page"),
        (b"upstream  busy\n\nplease wait", 502, "not_an_answer", "this text: upstream busy please wait"),
        (b"no newline", 502, "not_an_answer", "no newline"),
        (b"x" * 9000, 502, "not_an_answer", "x" * 200 + "…"),
        (b"\xff\xfe", 502, "not_an_answer", "��"),
        (b'{"error":{"message":"No.","type":"invalid_request_error","code":null}}', 400, None, "No."),
        (b'{"error":{"message":"Later.","code":"server_is_overloaded"}}', 503, "server_is_overloaded", "Later."),
        (b'{"detail":"Stream must be set to true"}', 502, None, "Stream must be set to true"),
        (b'{"id":"x","object":"chat.completion","choices":[]}', 502, "not_an_answer", "chat.completion"),
        (b"[1, 2]", 502, "not_an_answer", "not an object"),
        (b'{"output": [', 502, "stream_cut", "damaged"),
        (
            b'{"status":"failed","output":[],"error":{"code":"invalid_prompt","message":"No."}}',
            400,
            "invalid_prompt",
            "No.",
        ),
        (b'{"status":"failed","output":[],"error":null}', 500, "server_error", "failed"),
        (b"event: response.created\ndata: {", 502, "stream_cut", "before it was complete"),
        (b'data: {"type":"codex.rate_limits"}\n\n', 502, "stream_cut", "before it was complete"),
        (b"data: [DONE]\n\n", 502, "stream_cut", "before it was complete"),
    ],
)
def test_what_is_not_a_response_is_raised(data: bytes, status: int, code: str | None, words: str) -> None:
    for chunks in ([data], [data[at : at + 1] for at in range(len(data))]):
        with pytest.raises(ApiError) as caught:
            run(chunks)
        assert (caught.value.status, caught.value.code) == (status, code)
        assert words in caught.value.message
        assert "\n" not in caught.value.message


def test_text_before_the_events_does_no_harm() -> None:
    assert run([b"warming up\n\n" + DATA]) == DATA
    assert run([b"warming up\n" + DATA]) == b"warming up\n" + DATA


# --- how a response ends -----------------------------------------------------------------------------------------


def test_a_response_cut_off_after_any_event_ends_in_an_error() -> None:
    for count in range(1, len(ANSWER)):
        for how in ("finish", "abort"):
            live = ResponseStream(ClientView(), None)
            out = live.feed(stream(ANSWER[:count]) + b"event: resp")
            assert out == stream(ANSWER[:count])
            *_, error = events_of(live.finish() if how == "finish" else live.abort("peer closed"))
            assert error["type"] == "error"
            assert error["sequence_number"] == count
            assert error["code"] == error["error"]["code"] == error["error"]["type"] == "server_error"
            assert ("peer closed" in error["message"]) == (how == "abort")
            assert live.status == "cut"
            assert live.feed(b"data: late\n\n") + live.finish() + live.abort("again") == b""


def test_a_response_is_closed_once() -> None:
    for data in (b"", b"text", b"{", b"data: {", b"<html>", DATA[:400]):
        live = ResponseStream(ClientView(), None)
        with suppress(ApiError):
            live.feed(data)
            live.finish()
        assert live.feed(DATA) + live.finish() + live.abort("again") == b""


def test_a_connection_lost_before_any_event_is_raised() -> None:
    for data in (b"", b"event: resp", b'{"output":[', b"text", b"\n"):
        live = ResponseStream(ClientView(), None)
        assert live.feed(data) == b""
        with pytest.raises(ApiError, match="peer closed") as caught:
            live.abort("peer closed")
        assert (caught.value.status, caught.value.code) == (502, "stream_cut")


@pytest.mark.parametrize("ended", [DATA, DATA[:-1], DATA[:-2]])
def test_a_connection_lost_after_the_end_does_no_harm(ended: bytes) -> None:
    live = ResponseStream(ClientView(), None)
    assert events_of(live.feed(ended) + live.abort("peer closed")) == ANSWER
    whole = ResponseStream(ClientView(), None)
    whole.feed(dumps(response([message()])))
    assert events_of(whole.abort("peer closed"))[-1]["type"] == "response.completed"


@pytest.mark.parametrize(
    "last",
    [
        {"type": "error", "error": {"message": "x"}},
        {"type": "response.failed", "response": response(status="failed")},
        {"type": "response.incomplete", "response": response([message()], "incomplete")},
    ],
)
def test_a_response_that_ended_by_itself_gets_no_second_end(last: dict[str, Any]) -> None:
    events = events_of(run([stream([*ANSWER[:5], *numbered([last], 5)])]))
    ends = [event["type"] for event in events[5:] if event["type"] in ("error", last["type"])]
    assert ends in (["error"], ["error", "response.failed"], ["response.incomplete"])


# --- anything at all ---------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(st.binary(max_size=400), cuts())
def test_random_bytes_give_bytes_or_an_error(data: bytes, at: list[int]) -> None:
    assert outcome(pieces(data, at), "m") == outcome([data], "m")


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.integers(1, 12), cuts())
def test_damaged_responses_give_bytes_or_an_error(seed: int, damages: int, at: list[int]) -> None:
    """A good response with bytes changed, cut out, repeated or replaced by ones that matter to the format."""
    rng = random.Random(seed)
    data = bytearray(stream([*ANSWER[:4], {"type": "codex.x"}, *ANSWER[4:]]))
    for _ in range(damages):
        place = rng.randrange(len(data) + 1)
        length = rng.choice([0, 1, 1, 5, 60])
        new = rng.choice(
            [b"", b"\n", b"\r", b"\0", b'"', b"\\", b"{", b"}", b"\xff", b"null", b"[]", bytes(data[place:][:60])]
        )
        data[place : place + length] = new
    assert outcome(pieces(bytes(data), at), "m") == outcome([bytes(data)], "m")


MEMBERS = [
    *("type", "sequence_number", "item_id", "output_index", "content_index", "response", "item", "delta", "error"),
    *("detail", "message", "code", "output", "status", "usage", "model", "headers", "status_code"),
]
ODDITIES: list[object] = [None, True, 0, -1, 7, 1.5, "", "x", "response.done", [], {}, [{}], {"type": 1}]
TYPES = [event["type"] for event in VARIANTS if "type" in event]


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(MEMBERS), st.sampled_from(ODDITIES)),
            st.sampled_from([{}, *({"type": kind} for kind in TYPES)]),
        ),
        max_size=6,
    )
)
def test_members_of_any_kind_give_bytes_or_an_error(parts: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    events = [{**odd, **kind} for odd, kind in parts]
    ends = [{"type": "response.completed", "response": event} for event in events]
    for more in ([], ends):
        data = b"".join(b"event: x\ndata: " + dumps(event) + b"\n\n" for event in [*events, *more])
        whole = stream(ANSWER[:3]) + data
        assert outcome([whole], "m") == outcome(pieces(whole, [900, 1500]), "m")
        outcome([data], "m")
        with suppress(ApiError):
            events_to_response(collect(whole, ResponseStream(ClientView("m"), None)))
