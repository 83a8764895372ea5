"""The event rules: members that endpoints leave out of events and items are filled in."""

from typing import Any

import pytest
from response.rewriting import ANSWER, repaired
from response.streams import answer, call, events_of, message, numbered, reasoning, run, stream

from codex_transform.response.event_rules import RULES, Action


@pytest.mark.parametrize("kind", [kind for kind, rule in RULES.items() if rule.action is Action.PASS])
def test_missing_members_are_filled_in(kind: str) -> None:
    where = {"sequence_number": 8, "item_id": "fc_1", "output_index": 0, "content_index": 0, "summary_index": 0}
    begun = {"type": "response.output_item.added", "sequence_number": 7, "output_index": 0, "item": call()}
    needs = RULES[kind].needs
    whole = {"type": kind, "delta": "x", **{name: where[name] for name in needs}}
    if kind == "response.function_call_arguments.done":
        whole["arguments"] = ""
    assert repaired(begun, whole) == [begun, whole]
    for name in needs:
        bare = {key: value for key, value in whole.items() if key != name}
        for lacking in (bare, {**bare, name: None}, *([{**bare, name: ""}] if name == "item_id" else [])):
            assert repaired(begun, lacking) == [begun, whole]
    assert repaired(begun, {"type": kind, "delta": "x"}) == [begun, whole]


def test_sequence_numbers_continue_from_the_last_one_seen() -> None:
    without = [{key: value for key, value in event.items() if key != "sequence_number"} for event in ANSWER]
    assert repaired(*without[1:]) == ANSWER[1:]
    assert [event["sequence_number"] for event in repaired(*ANSWER[1:5], *without[5:])] == list(range(1, len(ANSWER)))
    far = {**ANSWER[4], "sequence_number": 99}
    out = repaired(*ANSWER[1:4], far, without[5], without[6])
    assert [event["sequence_number"] for event in out[3:]] == [99, 100, 101]


def test_items_are_told_apart() -> None:
    """Two items at once: an event with only the id or only the index of one gets the missing member."""
    kind = "response.function_call_arguments.delta"
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": 0, "item": reasoning()},
        {"type": "response.output_item.added", "output_index": 1, "item": call(item_id="fc_1")},
        {"type": "response.output_item.added", "output_index": 2, "item": call(item_id="fc_2")},
        {"type": kind, "item_id": "fc_1", "delta": "a"},
        {"type": kind, "output_index": 2, "delta": "b"},
        {"type": kind, "output_index": 1, "delta": "c"},
        {"type": kind, "item_id": "fc_2", "delta": "d"},
        {"type": kind, "delta": "e"},
        {"type": kind, "item_id": "fc_unheard_of", "delta": "f"},
    ]
    out = repaired(*numbered(events, 1))[3:]
    assert [(event["item_id"], event["output_index"]) for event in out] == [
        ("fc_1", 1),
        ("fc_2", 2),
        ("fc_1", 1),
        ("fc_2", 2),
        ("fc_2", 2),
        ("fc_2", 2),
    ]


def test_items_get_their_missing_members() -> None:
    def bare(item: Any) -> Any:
        return {key: value for key, value in item.items() if key not in ("id", "status")}

    def event(kind: str, item: Any) -> Any:
        return {"type": f"response.output_item.{kind}", "item": bare(item)}

    items = [reasoning(), call(), message()]
    given = [event(kind, item) for item in items for kind in ("added", "done")]
    out = [each for each in repaired(*given) if "item" in each]
    assert [found["output_index"] for found in out] == [0, 0, 1, 1, 2, 2]
    assert [found["item"]["id"] for found in out] == ["rs_0", "rs_0", "fc_1", "fc_1", "msg_2", "msg_2"]
    assert [found["item"].get("status") for found in out] == [
        *(None, None),
        *("in_progress", "completed"),
        *("in_progress", "completed"),
    ]


@pytest.mark.parametrize("kind", [["message"], {"a": 1}, 5, None])
def test_an_item_with_an_invalid_type_breaks_nothing_else(kind: Any) -> None:
    odd = {"type": "response.output_item.done", "output_index": 5, "item": {"type": kind, "id": "x"}}
    events = answer()
    events.insert(-1, odd)
    seen = events_of(run([stream(numbered(events))]))
    assert odd["item"] in [event.get("item") for event in seen]
    assert seen[-1]["type"] == "response.completed"


def test_an_item_that_is_told_twice_is_passed_on_once() -> None:
    """A client would run a tool call that is done twice a second time."""
    where = {"output_index": 0, "item": call()}
    begun, done = ({"type": f"response.output_item.{step}", **where} for step in ("added", "done"))
    once = repaired(begun, done)
    assert repaired(begun, done, {"type": done["type"], "item": done["item"]}) == once
    assert repaired(begun, done, done) == once
