"""The event rules: the model is the one asked for, and a response ends once, with all its items."""

import json
from typing import Any

import pytest
from response.rewriting import ANSWER, CREATED, repaired, rewrite
from response.streams import USAGE, block, call, events_of, message, numbered, reasoning, response, stream


def test_the_model_is_the_one_asked_for() -> None:
    out, rewriter = rewrite(stream(ANSWER), "gpt-5-nano")
    models = [event["response"]["model"] for event in events_of(out) if "response" in event]
    assert models == ["gpt-5-nano"] * 3
    assert rewriter.repaired == {"model"}
    untouched = [event for event in ANSWER if "response" not in event]
    assert [event for event in events_of(out) if "response" not in event] == untouched


@pytest.mark.parametrize("model", ["gpt-5.3-codex", None])
def test_a_model_that_is_already_right_stays(model: str | None) -> None:
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
def test_done_becomes_the_apis_own_event(status: str | None, kind: str) -> None:
    final: dict[str, Any] = {
        "type": "response.done",
        "sequence_number": 9,
        "response": response([message()], status),
    }
    event = repaired(final)[-1]
    response_ = {**final["response"], "status": status or "completed"}
    assert event["response"] | {"completed_at": None} == response_ | {"completed_at": None}
    assert (event["response"]["completed_at"] is None) == (kind == "response.incomplete")
    assert event["type"] == kind
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
    out = repaired(*numbered([*done, {"type": kind, "response": final}], 1))
    assert out[-1]["response"]["output"] == items


def test_an_output_that_is_present_stays() -> None:
    data = stream([CREATED, *ANSWER[1:-1], {**ANSWER[-1], "response": response([message("another")])}])
    assert rewrite(data)[0] == data


def test_a_response_without_items_keeps_its_empty_output() -> None:
    data = stream([CREATED, {"type": "response.completed", "sequence_number": 1, "response": response()}])
    assert rewrite(data)[0] == data


def test_a_final_event_gets_the_members_that_clients_need() -> None:
    final = {"type": "response.completed", "response": {"id": "resp_1", "output": [message()]}}
    event = repaired(final, model="m")[-1]
    assert event["response"]["status"] == "completed"
    assert event["response"]["model"] == "m"
    assert event["response"]["usage"]["input_tokens"] == event["response"]["usage"]["output_tokens"] == 0
    (event,) = repaired({"type": "response.completed"})
    final_response = event["response"]
    assert final_response == {
        **response(),
        "usage": final_response["usage"],
        "completed_at": final_response["completed_at"],
    }


def test_a_sparse_final_event_gets_the_rest_from_the_first() -> None:
    thin = {"id": "resp_1", "usage": USAGE, "error": {"code": "x", "message": "y"}}
    for first in ([], [{**CREATED, "response": None}]):
        out = events_of(rewrite(stream([*first, {"type": "response.completed", "response": thin}]))[0])
        final_response = out[-1]["response"]
        assert final_response["error"] == {"code": "x", "message": "y"}
        assert {name for name in final_response if final_response[name] != {**response(), **thin}.get(name)} <= {
            "completed_at",
            "created_at",
            "id",
            "model",
            "reasoning",
        }
    (event,) = repaired({"type": "response.completed", "response": thin})
    assert event["response"] | {"completed_at": 0} == {**response(), **thin, "completed_at": 0}


def test_a_response_ends_once() -> None:
    done = {**ANSWER[-1], "type": "response.done"}
    late = [{**ANSWER[4], "sequence_number": 12 + number} for number in range(9)]
    news = {"type": "codex.rate_limits"}
    out, rewriter = rewrite(stream([*ANSWER, done, *late, news, {"type": "error", "message": "late"}]))
    assert out == stream(ANSWER)
    assert rewriter.repaired == {"second end", "late event"}
