"""The event rules: what is mended, what is dropped, what stays byte for byte as it was."""

import json
from typing import Any

import pytest
from response.streams import (
    USAGE,
    answer,
    block,
    call,
    dumps,
    events_of,
    message,
    numbered,
    outcome,
    reasoning,
    response,
    run,
    stream,
)

from codex_transform.errors import ApiError
from codex_transform.response.rewrite import Rewriter
from codex_transform.response.rules import RULES, Action

ANSWER = answer()
CREATED = ANSWER[0]


def rewrite(data: bytes, model: str | None = None) -> tuple[bytes, Rewriter]:
    rewriter = Rewriter(model)
    return rewriter.feed(data) + rewriter.finish(), rewriter


def mended(*events: Any, model: str | None = None) -> list[Any]:
    """The events that come out for these, the first of which is `response.created`."""
    return events_of(rewrite(stream([CREATED, *events]), model)[0])[1:]


# --- what needs nothing ------------------------------------------------------------------------------------------


def test_a_good_answer_leaves_as_it_came() -> None:
    data = stream(ANSWER)
    out, rewriter = rewrite(data, "gpt-5.3-codex")
    assert out == data
    assert (rewriter.events, rewriter.parsed, rewriter.repaired) == (len(ANSWER), 1, set())
    assert (rewriter.ended, rewriter.usage) == ("completed", USAGE)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("name", ["", None])
def test_every_way_to_write_an_event_leaves_as_it_came(end: bytes, name: str | None) -> None:
    data = stream(ANSWER, end=end, name=name)
    out, rewriter = rewrite(data)
    assert out == data
    assert rewriter.parsed == 1


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
def test_every_way_to_write_json_leaves_as_it_came(write: Any) -> None:
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
        b'data: {"type":"response.output_text.delta","sequence_number":3,"item_id":"m","output_index":0,'
        b'"content_index":0,"delta":"\\ud800"}\n\n',
    ],
)
def test_what_is_no_business_of_ours_leaves_as_it_came(extra: bytes) -> None:
    data = stream(ANSWER[:5]) + extra + stream(ANSWER[5:])
    assert rewrite(data)[0] == data


@pytest.mark.parametrize(
    "unreadable", [b"data\n\n", b"data: 5\n\n", b"data: [1]\n\n", b"data: {broken\n\n", b"data: ping\n\n"]
)
def test_what_no_client_could_parse_is_left_out(unreadable: bytes) -> None:
    """OpenCode and OpenAI's SDK end the answer at an event that holds no JSON object."""
    out = rewrite(stream(ANSWER[:5]) + unreadable + stream(ANSWER[5:]))
    assert out[0] == stream(ANSWER)


def test_strings_cannot_pretend_to_be_members() -> None:
    trap = dumps({"sequence_number": 1, "item_id": "x", "output_index": 0, "content_index": 0})
    bare = {"type": "response.output_text.delta", "delta": trap.decode(), "item_id": "delta", "obfuscation": "item_id"}
    good = {**ANSWER[4], "delta": '","item_id":"x","output_index":0,"sequence_number":1}\n\n'}
    out = mended(good, bare)
    assert out[0] == good
    assert out[1] == {**bare, "sequence_number": 5, "output_index": 0, "content_index": 0}


# --- what is filled in -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind, rule in RULES.items() if rule.action is Action.PASS])
def test_missing_members_are_filled_in(kind: str) -> None:
    where = {"sequence_number": 8, "item_id": "fc_1", "output_index": 3, "content_index": 0, "summary_index": 0}
    begun = {"type": "response.output_item.added", "sequence_number": 7, "output_index": 3, "item": call()}
    needs = RULES[kind].needs
    whole = {"type": kind, "delta": "x", **{name: where[name] for name in needs}}
    assert mended(begun, whole) == [begun, whole]
    for name in needs:
        bare = {key: value for key, value in whole.items() if key != name}
        for lacking in (bare, {**bare, name: None}, *([{**bare, name: ""}] if name == "item_id" else [])):
            assert mended(begun, lacking) == [begun, whole]
    assert mended(begun, {"type": kind, "delta": "x"}) == [begun, whole]


def test_numbers_go_on_from_the_last_one_seen() -> None:
    without = [{key: value for key, value in event.items() if key != "sequence_number"} for event in ANSWER]
    assert mended(*without[1:]) == ANSWER[1:]
    assert [event["sequence_number"] for event in mended(*ANSWER[1:5], *without[5:])] == list(range(1, len(ANSWER)))
    far = {**ANSWER[4], "sequence_number": 99}
    assert [event["sequence_number"] for event in mended(far, without[5], without[6])] == [99, 100, 101]


def test_items_are_told_apart() -> None:
    """Two items at once: an event that names one gets the other member from that one."""
    kind = "response.function_call_arguments.delta"
    events = [
        {"type": "response.output_item.added", "output_index": 0, "item": reasoning()},
        {"type": "response.output_item.added", "output_index": 1, "item": call(item_id="fc_1")},
        {"type": "response.output_item.added", "output_index": 2, "item": call(item_id="fc_2")},
        {"type": kind, "item_id": "fc_1", "delta": "a"},
        {"type": kind, "output_index": 2, "delta": "b"},
        {"type": kind, "output_index": 1, "delta": "c"},
        {"type": kind, "item_id": "fc_2", "delta": "d"},
        {"type": kind, "delta": "e"},
        {"type": kind, "item_id": "fc_unheard_of", "delta": "f"},
        {"type": kind, "output_index": 9, "delta": "g"},
    ]
    out = mended(*numbered(events, 1))[3:]
    assert [(event["item_id"], event["output_index"]) for event in out] == [
        ("fc_1", 1),
        ("fc_2", 2),
        ("fc_1", 1),
        ("fc_2", 2),
        ("fc_2", 2),
        ("fc_unheard_of", 2),
        ("item_9", 9),
    ]


def test_items_get_what_they_lack() -> None:
    def bare(item: Any) -> Any:
        return {key: value for key, value in item.items() if key not in ("id", "status")}

    def event(kind: str, item: Any) -> Any:
        return {"type": f"response.output_item.{kind}", "item": bare(item)}

    items = [reasoning(), call(), message()]
    out = mended(*(event(kind, item) for item in items for kind in ("added", "done")))
    assert [found["output_index"] for found in out] == [0, 0, 1, 1, 2, 2]
    assert [found["item"]["id"] for found in out] == ["rs_0", "rs_0", "fc_1", "fc_1", "msg_2", "msg_2"]
    assert [found["item"].get("status") for found in out] == [None, None, None, "completed", None, "completed"]


# --- the model, the end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [["message"], {"a": 1}, 5, None])
def test_an_item_whose_type_is_none_costs_nothing_else(kind: Any) -> None:
    odd = {"type": "response.output_item.done", "output_index": 5, "item": {"type": kind, "id": "x"}}
    events = answer()
    events.insert(-1, odd)
    seen = events_of(run([stream(numbered(events))]))
    assert odd["item"] in [event.get("item") for event in seen]
    assert seen[-1]["type"] == "response.completed"


def test_the_model_is_the_one_asked_for() -> None:
    out, rewriter = rewrite(stream(ANSWER), "gpt-5-nano")
    models = [event["response"]["model"] for event in events_of(out) if "response" in event]
    assert models == ["gpt-5-nano"] * 3
    assert rewriter.repaired == {"model"}
    untouched = [event for event in ANSWER if "response" not in event]
    assert [event for event in events_of(out) if "response" not in event] == untouched


@pytest.mark.parametrize("model", ["gpt-5.3-codex", None])
def test_a_model_that_is_right_already_stays(model: str | None) -> None:
    spaced = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in ANSWER)
    assert rewrite(spaced, model)[0] == spaced


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("completed", "response.completed"),
        ("incomplete", "response.incomplete"),
        (None, "response.completed"),
        ("odd", "response.completed"),
    ],
)
def test_done_becomes_what_the_api_calls_it(status: str | None, kind: str) -> None:
    final = {"type": "response.done", "sequence_number": 9, "response": response([message()], status)}
    (event,) = mended(final)
    assert event == {
        **final,
        "type": kind,
        "response": {**final["response"], "status": status or "completed"},
    }
    assert rewrite(block(CREATED) + block(final))[0].count(b"event: " + kind.encode() + b"\n") == 1


@pytest.mark.parametrize("output", [[], None, "missing", {}, {"a": 1}])
@pytest.mark.parametrize("kind", ["response.completed", "response.incomplete", "response.done"])
def test_an_empty_output_gets_the_items_that_came(output: Any, kind: str) -> None:
    items = [reasoning(), call(item_id="fc_2"), call(item_id="fc_1"), message()]
    order = [0, 2, 1, 3]
    done = [{"type": "response.output_item.done", "output_index": at, "item": items[at]} for at in order]
    final = response(status="incomplete" if kind == "response.incomplete" else "completed", output=[])
    if output == "missing":
        del final["output"]
    else:
        final["output"] = output
    out = mended(*numbered([*done, {"type": kind, "response": final}], 1))
    assert out[-1]["response"]["output"] == items


def test_an_output_that_is_there_stays() -> None:
    data = stream([CREATED, *ANSWER[1:-1], {**ANSWER[-1], "response": response([message("another")])}])
    assert rewrite(data)[0] == data


def test_an_answer_without_items_keeps_its_empty_output() -> None:
    data = stream([CREATED, {"type": "response.completed", "sequence_number": 1, "response": response()}])
    assert rewrite(data)[0] == data


def test_a_final_event_gets_what_clients_cannot_do_without() -> None:
    final = {"type": "response.completed", "response": {"id": "resp_1", "output": [message()]}}
    (event,) = mended(final, model="m")
    assert event["response"]["status"] == "completed"
    assert event["response"]["model"] == "m"
    assert event["response"]["usage"]["input_tokens"] == event["response"]["usage"]["output_tokens"] == 0
    (event,) = mended({"type": "response.completed"})
    assert event["response"] == {**response(), "usage": event["response"]["usage"]}


def test_a_thin_final_event_gets_the_rest_from_the_first() -> None:
    thin = {"id": "resp_1", "usage": USAGE, "error": {"code": "x"}}
    for first in ([], [{**CREATED, "response": None}]):
        out = events_of(rewrite(stream([*first, {"type": "response.completed", "response": thin}]))[0])
        assert out[-1]["response"] == {**thin, "object": "response", "status": "completed", "output": []}
    (event,) = mended({"type": "response.completed", "response": thin})
    assert event["response"] == {**response(), **thin}


def test_the_answer_ends_once() -> None:
    done = {**ANSWER[-1], "type": "response.done"}
    late = {**ANSWER[4], "sequence_number": 12}
    out, rewriter = rewrite(stream([*ANSWER, done, late, {"type": "error", "message": "late"}]))
    assert out == stream([*ANSWER, late])
    assert rewriter.repaired == {"second end"}


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
    rewriter = Rewriter(None)
    data = stream([CREATED], end=end) + limits + comment + stream(ANSWER[1:3], end=end)
    out = b"".join(rewriter.feed(data[at : at + 1]) for at in range(len(data)))
    assert out == data.replace(limits, b"")


def test_items_too_big_to_keep_are_not_put_in() -> None:
    done = {"type": "response.output_item.done", "sequence_number": 1, "output_index": 0, "item": message("x" * 200)}
    final = {"type": "response.completed", "sequence_number": 3, "response": response()}
    data = stream([CREATED, done, {**done, "sequence_number": 2, "output_index": 1}, final])
    for limit, count in ((1000, 2), (700, 0)):
        rewriter = Rewriter(None, limit)
        (*_, event) = events_of(rewriter.feed(data))
        assert len(event["response"]["output"]) == count


def test_the_mark_that_ends_other_apis_streams_is_dropped() -> None:
    for mark in (b"data: [DONE]\n\n", b"data:[DONE]\n\n", b"event: done\ndata: [DONE] \n\n", b"data: [DONE]"):
        out, rewriter = rewrite(stream(ANSWER) + mark)
        assert out == stream(ANSWER)
        assert rewriter.ended == "completed"
    out, rewriter = rewrite(stream(ANSWER[:5]) + b"data: [DONE]\n\n")
    assert rewriter.ended is None


# --- type and name -----------------------------------------------------------------------------------------------


def test_a_missing_type_is_the_event_name() -> None:
    bare = {key: value for key, value in ANSWER[4].items() if key != "type"}
    out = mended(*ANSWER[1:4])
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


# --- errors ------------------------------------------------------------------------------------------------------

STANDARD = {
    "type": "error",
    "code": "server_error",
    "message": "It broke.",
    "param": None,
    "sequence_number": 1,
    "error": {"type": "server_error", "code": "server_error", "message": "It broke.", "param": None},
}


@pytest.mark.parametrize(
    "data",
    [
        block(STANDARD),
        b'data: {"type":"error","sequence_number":1,"error":{"message":"It broke.","type":"server_error"}}\n\n',
        b'data: {"type":"error","code":"server_error","message":"It broke.","param":null,"sequence_number":1}\n\n',
        b'event: error\ndata: {"error":{"message":"It broke.","code":"server_error"}}\n\n',
        b'event: error\ndata: {"detail":"It broke."}\n\n',
        b'event: error\ndata: {"error":"It broke."}\n\n',
        b'event: error\ndata: {"message":"It broke.","code":500}\n\n',
        b"event: error\ndata: It broke.\n\n",
        b"event: error\ndata: It broke.",
        b'data: {"error":{"message":"It broke.","type":"server_error","code":null}}\n\n',
        b'data: {"detail":"It broke."}\n\n',
    ],
)
def test_every_shape_of_error_becomes_the_one_clients_know(data: bytes) -> None:
    out, rewriter = rewrite(block(CREATED) + data)
    assert events_of(out) == [CREATED, STANDARD]
    assert rewriter.ended == "error"


@pytest.mark.parametrize("code", ["rate_limit_exceeded", "usage_limit_reached", "insufficient_quota"])
def test_the_code_of_an_error_stays(code: str) -> None:
    nested = {"type": "error", "error": {"type": code, "message": "Enough.", "resets_in_seconds": 60}}
    (event,) = mended(nested)
    assert event["code"] == event["error"]["code"] == event["error"]["type"] == code
    assert event["error"]["resets_in_seconds"] == 60


def test_a_failed_response_is_preceded_by_an_error() -> None:
    problem = {"code": "context_length_exceeded", "message": "Too long."}
    failed = {"type": "response.failed", "sequence_number": 1, "response": response(status="failed", error=problem)}
    error, event = mended(failed)
    assert error["sequence_number"] == 1
    assert (error["code"], error["message"]) == ("context_length_exceeded", "Too long.")
    assert error["error"]["type"] == "invalid_request_error"
    assert event == {**failed, "sequence_number": 2}


def test_a_limits_type_is_its_name() -> None:
    problem = {"code": "insufficient_quota", "message": "No money."}
    error, _ = mended({"type": "response.failed", "response": response(status="failed", error=problem)})
    assert error["error"]["type"] == "insufficient_quota"


def test_the_apis_own_way_to_fail_stays() -> None:
    failed = {"type": "response.failed", "sequence_number": 2, "response": response(status="failed")}
    data = stream([CREATED, STANDARD, failed])
    out, rewriter = rewrite(data + stream([ANSWER[-1], failed]))
    assert out == data
    assert rewriter.ended == "failed"


def test_done_with_a_failed_response_fails() -> None:
    done = {"type": "response.done", "sequence_number": 1, "response": response(status="failed", usage=None)}
    error, event = mended(done)
    assert error["type"] == "error"
    assert event["type"] == "response.failed"


@pytest.mark.parametrize("before", [b"", b"\n\n", b"noise\n\n", b'data: {"type":"codex.rate_limits"}\n\n'])
def test_an_error_before_anything_else_is_raised(before: bytes) -> None:
    limit = {
        "type": "error",
        "status_code": 429,
        "error": {"type": "usage_limit_reached", "message": "Enough.", "resets_in_seconds": 90.2},
        "headers": {"X-Codex-Primary-Used-Percent": "100"},
    }
    with pytest.raises(ApiError) as caught:
        run([before + block(limit)])
    assert (caught.value.status, caught.value.code, caught.value.retry_after) == (429, "usage_limit_reached", 91)
    failed = {"type": "response.failed", "response": response(status="failed", error=None)}
    assert outcome([before + block(failed)])[0] == 500


# --- ends without a blank line, and events too long --------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("missing", [1, 2])
def test_a_last_event_without_its_blank_line_counts(end: bytes, missing: int) -> None:
    data = stream(ANSWER, end=end)
    out, rewriter = rewrite(data[: -missing * len(end)])
    assert events_of(out) == ANSWER
    assert rewriter.ended == "completed"


def test_a_last_event_that_is_cut_does_not() -> None:
    data = stream(ANSWER)
    whole = stream(ANSWER[:-1])
    for at in range(len(whole), len(data) - 2):
        out, rewriter = rewrite(data[:at])
        assert out == whole
        assert rewriter.ended is None


def test_events_too_long_pass_unread() -> None:
    big = {"type": "response.output_text.delta", "delta": "x" * 500}
    limits = {"type": "codex.rate_limits", "padding": "x" * 500}
    final = {"type": "response.completed", "sequence_number": 9, "response": response([message("x" * 900)])}
    data = stream([CREATED, big, limits, {"type": "codex.other"}, final])
    for size in (len(data), 100, 7):
        rewriter = Rewriter("other", limit=400)
        out = b"".join(rewriter.feed(data[at : at + size]) for at in range(0, len(data), size)) + rewriter.finish()
        assert out.endswith(stream([big, limits, final]))
        assert rewriter.ended == "completed"


def test_an_event_too_long_that_is_cut_ends_in_an_error() -> None:
    rewriter = Rewriter(None, limit=400)
    data = stream(ANSWER[3:5]) + block({**ANSWER[-1], "padding": "x" * 900})
    out = b"".join(rewriter.feed(data[at : at + 50]) for at in range(0, len(data) - 60, 50)) + rewriter.finish()
    assert out.endswith(b"x\n\n")
    assert rewriter.ended is None
