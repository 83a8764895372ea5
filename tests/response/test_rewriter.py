"""The event rules: what stays byte for byte, what is dropped, and what an event is named."""

import json
from typing import Any

import pytest
from response.rewriting import ANSWER, CREATED, repaired, rewrite
from response.streams import USAGE, block, dumps, events_of, message, response, stream

from codex_transform.response.client_view import ClientView
from codex_transform.response.rewriter import Rewriter


def test_a_good_response_passes_unchanged() -> None:
    data = stream(ANSWER)
    out, rewriter = rewrite(data, "gpt-5.3-codex")
    assert out == data
    assert (rewriter.events, rewriter.parsed, rewriter.repaired) == (len(ANSWER), len(ANSWER) - 1, set())
    assert (rewriter.ended, rewriter.usage) == ("completed", USAGE)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("name", ["", None])
def test_every_way_to_write_an_event_passes_unchanged(end: bytes, name: str | None) -> None:
    data = stream(ANSWER, end=end, name=name)
    out, rewriter = rewrite(data)
    assert out == data
    assert not rewriter.repaired


@pytest.mark.parametrize(
    "write",
    [
        lambda event: json.dumps(event).encode(),
        lambda event: json.dumps(event, sort_keys=True, separators=(",", ":")).encode(),
        lambda event: json.dumps(event, separators=(" , ", "\t:  ")).encode(),
        lambda event: json.dumps(event, indent=1).replace("\n", "\ndata: ").encode(),
    ],
    ids=["spaces", "type last", "spaces before colons", "many lines"],
)
def test_every_way_to_write_json_passes_unchanged(write: Any) -> None:
    data = b"".join(b"event: %b\ndata:%b\n\n" % (event["type"].encode(), write(event)) for event in ANSWER)
    assert rewrite(data)[0] == data


@pytest.mark.parametrize(
    "extra",
    [
        b": keep-alive\n\n",
        b":\n\n",
        b"id: 7\n\n",
        b"retry: 100\n\n",
        b"\n\n",
        b"event: lonely\n\n",
        b"foo: bar\n\n",
        b'data: {"choices":[]}\n\n',
        b'event: message\ndata: {"choices":[]}\n\n',
        b'event: ping\ndata: {"type":"ping"}\n\n',
        b'id: 3\nevent: response.new\nretry: 5\ndata: {"type":"response.new","sequence_number":1}\n\n',
        b'data: {"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,'
        b'"content_index":0,"delta":"\\ud800"}\n\n',
    ],
)
def test_what_is_none_of_our_business_passes_unchanged(extra: bytes) -> None:
    data = stream(ANSWER[:5]) + extra + stream(ANSWER[5:])
    assert rewrite(data)[0] == data


@pytest.mark.parametrize(
    "unreadable", [b"data\n\n", b"data: 5\n\n", b"data: [1]\n\n", b"data: {broken\n\n", b"data: ping\n\n"]
)
def test_what_no_client_could_parse_is_left_out(unreadable: bytes) -> None:
    """OpenCode and OpenAI's SDK end the response at an event that holds no JSON object."""
    out = rewrite(stream(ANSWER[:5]) + unreadable + stream(ANSWER[5:]))
    assert out[0] == stream(ANSWER)


def test_strings_are_not_mistaken_for_members() -> None:
    trap = dumps({"sequence_number": 1, "item_id": "x", "output_index": 0, "content_index": 0})
    bare = {"type": "response.output_text.delta", "delta": trap.decode(), "item_id": "msg_1", "obfuscation": "item_id"}
    good = {**ANSWER[4], "delta": '","item_id":"x","output_index":0,"sequence_number":1}\n\n'}
    out = repaired(*ANSWER[1:4], good, bare)[3:]
    assert out[0] == good
    assert out[1] == {**bare, "sequence_number": 5, "output_index": 0, "content_index": 0}


# --- dropped -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_events_that_only_codex_knows_are_dropped(end: bytes) -> None:
    limits = {"type": "codex.rate_limits", "sequence_number": 3, "rate_limits": {"allowed": True}}
    data = [block(event, end=end) for event in ANSWER]
    out, rewriter = rewrite(b"".join([*data[:3], block(limits, end=end), *data[3:]]))
    assert out == b"".join(data)
    assert rewriter.repaired == {"codex.*"}


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_comment_after_a_dropped_event_stays_whole(end: bytes) -> None:
    limits = block({"type": "codex.rate_limits"}, end=end)
    comment = b": ping" + end + end
    rewriter = Rewriter(ClientView())
    data = stream([CREATED], end=end) + limits + comment + stream(ANSWER[1:3], end=end)
    out = b"".join(rewriter.feed(data[at : at + 1]) for at in range(len(data)))
    assert out == data.replace(limits, b"")


def test_items_too_big_to_keep_are_not_filled_in() -> None:
    done = {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": message("x" * 200)}
    final = {"type": "response.completed", "sequence_number": 3, "response": response()}
    data = stream([CREATED, done, {**done, "sequence_number": 2, "output_index": 1}, final])
    for limit, count in ((1000, 2), (700, 0)):
        rewriter = Rewriter(ClientView(), limit)
        (*_, event) = events_of(rewriter.feed(data))
        assert len(event["response"]["output"]) == count


def test_the_end_marker_of_other_apis_is_dropped() -> None:
    for mark in (b"data: [DONE]\n\n", b"data:[DONE]\n\n", b"event: done\ndata: [DONE] \n\n", b"data: [DONE]"):
        out, rewriter = rewrite(stream(ANSWER) + mark)
        assert out == stream(ANSWER)
        assert rewriter.ended == "completed"
    out, rewriter = rewrite(stream(ANSWER[:5]) + b"data: [DONE]\n\n")
    assert rewriter.ended is None


# --- type and name -----------------------------------------------------------------------------------------------


def test_a_missing_type_is_the_event_name() -> None:
    bare = {key: value for key, value in ANSWER[4].items() if key != "type"}
    out = repaired(*ANSWER[1:4])
    data = stream(ANSWER[:4]) + b"event: response.output_text.delta\ndata: " + dumps(bare) + b"\n\n"
    assert events_of(rewrite(data)[0])[1:] == [*out, ANSWER[4]]


def test_the_type_wins_over_the_event_name() -> None:
    wrong = block(ANSWER[4], name="response.completed")
    assert rewrite(stream(ANSWER[:4]) + wrong)[0] == stream(ANSWER[:5])
    named = stream(ANSWER, name="message")
    assert events_of(rewrite(named)[0]) == ANSWER
    assert b"event: message" not in rewrite(named)[0]


def test_rewritten_events_keep_their_other_fields() -> None:
    final = {**ANSWER[-1], "type": "response.done"}
    data = b"id: 41\r\n: note\r\nevent: response.done\r\nretry: 10\r\ndata: " + dumps(final) + b"\r\n\r\n"
    out = rewrite(stream(ANSWER[:-1]) + data)[0].removeprefix(stream(ANSWER[:-1]))
    assert out == b"id: 41\n: note\nretry: 10\nevent: response.completed\ndata: " + dumps(ANSWER[-1]) + b"\n\n"


def test_a_type_cannot_add_lines() -> None:
    data = stream([CREATED]) + b'event: x\ndata: {"type":"response.x\\ndata: {}"}\n\n'
    out = rewrite(data)[0].removeprefix(stream([CREATED]))
    assert out.count(b"\n") == 2


# --- ends without a blank line, and oversized events -------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_last_event_without_its_blank_line_counts(end: bytes, missing: int) -> None:
    data = stream(ANSWER, end=end)
    out, rewriter = rewrite(data[: -missing * len(end)])
    assert events_of(out) == ANSWER
    assert rewriter.ended == "completed"


def test_a_last_event_that_is_cut_does_not_count() -> None:
    data = stream(ANSWER)
    whole = stream(ANSWER[:-1])
    for at in range(len(whole), len(data) - 2):
        out, rewriter = rewrite(data[:at])
        assert out == whole
        assert rewriter.ended is None


def test_oversized_events_pass_unparsed() -> None:
    big = {"type": "response.output_text.delta", "delta": "x" * 500}
    limits = {"type": "codex.rate_limits", "padding": "x" * 500}
    final = {"type": "response.completed", "sequence_number": 9, "response": response([message("x" * 900)])}
    data = stream([CREATED, big, limits, {"type": "codex.other"}, final])
    for size in (len(data), 100, 7):
        rewriter = Rewriter(ClientView("other"), limit=400)
        out = b"".join(rewriter.feed(data[at : at + size]) for at in range(0, len(data), size)) + rewriter.finish()
        assert out.endswith(stream([big, limits, final]))
        assert rewriter.ended == "completed"


def test_an_oversized_event_that_is_cut_ends_in_an_error() -> None:
    rewriter = Rewriter(ClientView(), limit=400)
    data = stream(ANSWER[3:5]) + block({**ANSWER[-1], "padding": "x" * 900})
    out = b"".join(rewriter.feed(data[at : at + 50]) for at in range(0, len(data) - 60, 50)) + rewriter.finish()
    assert out.endswith(b"x\n\n")
    assert rewriter.ended is None


@pytest.mark.parametrize("missing", [0, 60])
@pytest.mark.parametrize("size", [10_000, 50, 7])
def test_an_oversized_event_after_the_end_is_dropped(size: int, missing: int) -> None:
    late = block({"type": "response.output_text.delta", "delta": "x" * 6000})
    data = stream(ANSWER) + late[: len(late) - missing]
    rewriter = Rewriter(ClientView(), limit=2000)
    out = b"".join(rewriter.feed(data[at : at + size]) for at in range(0, len(data), size)) + rewriter.finish()
    assert out == stream(ANSWER)
    assert rewriter.ended == "completed"
