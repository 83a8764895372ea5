"""Whatever is left out of a good response, what comes out satisfies the specification and is the same response."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from response.specification import check_events, check_response
from response.streams import NOW, USAGE, call, dumps, events_of, message, numbered, reasoning, response, stream

from codex_transform.response.client_view import ClientView
from codex_transform.response.events_to_response import collect, events_to_response
from codex_transform.response.request_members import request_members
from codex_transform.response.response_to_events import response_to_events
from codex_transform.response.rewriter import Rewriter
from codex_transform.response.stream import ResponseStream

Event = dict[str, Any]

LONG_TEXT = 'A text of many words, with ünï and \\ and "quotes"'


def rewritten(events: list[Event], view: ClientView | None = None) -> tuple[list[Event], dict[str, Any]]:
    """What a streaming and a non-streaming client get from these events."""
    data, view = stream(events), view or ClientView("gpt-5-nano")
    live = ResponseStream(view, None, lambda: NOW)
    # In pieces, so that deltas come one by one.
    out = b"".join(live.feed(data[at : at + 700]) for at in range(0, len(data), 700)) + live.finish()
    assert live.status == "completed"
    folded = events_to_response(collect(data, ResponseStream(view, None, lambda: NOW)))
    return events_of(out), folded


def grown(whole: Event) -> list[Event]:
    """The events of a response, each text in five deltas."""
    events: list[Event] = []
    for event in response_to_events(whole):
        if event["type"].endswith(".delta") and len(event["delta"]) > 5:
            size = len(event["delta"]) // 5
            texts = [event["delta"][at : at + size] for at in range(0, len(event["delta"]), size)]
            events += [{**event, "delta": text} for text in texts]
        else:
            events.append(event)
    return numbered(events)


TWO_PARTS = {**message(item_id="msg_2"), "content": [*message("one")["content"], {"type": "refusal", "refusal": "No."}]}
THOUGHT = {
    **reasoning("rs_2"),
    "summary": [{"type": "summary_text", "text": "First " * 9}, {"type": "summary_text", "text": "Second " * 9}],
}
ITEMS = [reasoning(), THOUGHT, message(LONG_TEXT), TWO_PARTS, call(), call('{"text":"' + "x" * 70 + '"}', "fc_2")]

ANSWERS = [
    [reasoning(), message(LONG_TEXT)],
    [THOUGHT, call(), call('{"text":"' + "x" * 70 + '"}', "fc_2")],
    [message(LONG_TEXT, "msg_9"), TWO_PARTS],
    [],
]


def outputs() -> st.SearchStrategy[list[Event]]:
    return st.sampled_from(ANSWERS) | st.lists(st.sampled_from(ITEMS), max_size=4, unique_by=lambda item: item["id"])


def left_out(data: st.DataObject, events: list[Event], keep: tuple[str, ...]) -> list[Event]:
    """`events` without some of them: all of some types, and a few of any type."""
    types = sorted({event["type"] for event in events} - set(keep))
    gone = data.draw(st.sets(st.sampled_from(types)) if types else st.just(set()))
    anyhow = data.draw(st.lists(st.integers(0, len(events) - 1), max_size=4))
    return [
        event
        for at, event in enumerate(events)
        if event["type"] in keep or (event["type"] not in gone and at not in anyhow)
    ]


def same(found: Event, whole: Event) -> None:
    """The response is the one that was streamed, under the name that was asked for."""
    assert {**found, "completed_at": 0, "id": ""} == {**whole, "completed_at": 0, "id": "", "model": "gpt-5-nano"}


def added_up(events: list[Event]) -> list[Event]:
    """The items that the stream's events add up to; their indexes have no gaps."""
    added = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    assert added == list(range(len(added)))
    done = [event for event in events if event["type"] == "response.output_item.done"]
    return [event["item"] for event in sorted(done, key=lambda event: event["output_index"])]


@given(st.data(), outputs(), st.booleans())
def test_what_the_final_event_holds_may_be_left_out_before_it(
    data: st.DataObject, items: list[Event], renumbered: bool
) -> None:
    whole = response(items)
    events = left_out(data, grown(whole), ("response.completed",))
    seen, folded = rewritten(numbered(events) if renumbered else events)
    check_events(seen)
    check_response(folded)
    same(folded, whole)
    same(seen[-1]["response"], whole)
    # What no earlier event mentioned comes last.
    assert sorted(added_up(seen), key=lambda item: str(item["id"])) == sorted(items, key=lambda item: str(item["id"]))


@given(st.data(), outputs(), st.booleans())
def test_what_finished_items_hold_may_be_left_out(data: st.DataObject, items: list[Event], renumbered: bool) -> None:
    whole = response(items)
    events = grown(whole)
    events[-1] = {**events[-1], "response": {**whole, "output": []}}
    events = left_out(data, events, ("response.completed", "response.output_item.done"))
    seen, folded = rewritten(numbered(events) if renumbered else events)
    check_events(seen)
    check_response(folded)
    same(folded, whole)
    same(seen[-1]["response"], whole)
    assert added_up(seen) == items


@given(st.data(), st.sampled_from([[message(LONG_TEXT)], [call()], [message(LONG_TEXT, "msg_9"), TWO_PARTS]]))
def test_what_the_text_events_hold_may_be_left_out(data: st.DataObject, items: list[Event]) -> None:
    """Except for the event that opens a call, which holds its name, and either its deltas or its whole text."""
    whole = response(items)
    events = grown(whole)
    events[-1] = {**events[-1], "response": {**whole, "output": []}}
    told = data.draw(st.sampled_from([".delta", "text.done", ""]))
    keep = [event["type"] for event in events if event["type"].endswith((".delta", "text.done", "arguments.done"))]
    if told == ".delta":
        keep = [kind for kind in keep if kind.endswith(".delta")]
    elif told:
        keep = [kind for kind in keep if not kind.endswith(".delta")] + ["response.refusal.done"]
    types = {*keep, "response.completed", "response.created"}
    if items[0]["type"] == "function_call":
        types.add("response.output_item.added")
    else:
        types.add("response.refusal.delta")
    events = left_out(data, events, tuple(types))
    seen, folded = rewritten(events)
    check_events(seen)
    assert [texts(item) for item in folded["output"]] == [texts(item) for item in items]
    assert added_up(seen) == folded["output"] == seen[-1]["response"]["output"]


def texts(item: Event) -> Any:
    return item.get("arguments") or [part.get("text") or part.get("refusal") for part in item["content"]]


@given(st.data(), outputs(), st.sampled_from([(), ("item_id",), ("output_index",), ("item_id", "sequence_number")]))
def test_ids_may_differ_or_be_missing(data: st.DataObject, items: list[Event], gone: tuple[str, ...]) -> None:
    """Copilot's relay gives an item another id in every event. A JSON client gets those of the final event."""
    whole = response(items)
    events: list[Event] = []
    for number, event in enumerate(grown(whole)):
        changed = {name: value for name, value in event.items() if name not in gone}
        if "item" in changed and "output_index" not in gone:
            changed["item"] = {**event["item"], "id": f"other_{number}"}
        if "item_id" in changed and "output_index" not in gone:
            changed["item_id"] = f"other_{number}"
        events.append(changed)
    if data.draw(st.booleans()):
        events[-1] = {**events[-1], "response": {**whole, "output": []}}
    seen, folded = rewritten(events)
    check_events(seen)
    check_response(folded)
    if events[-1]["response"]["output"]:
        same(folded, whole)
    assert [{**item, "id": ""} for item in folded["output"]] == [{**item, "id": ""} for item in items]
    assert added_up(seen) == seen[-1]["response"]["output"]


def test_the_final_events_own_items_are_what_a_json_client_gets() -> None:
    """Encrypted reasoning can differ between an item's own event and the final one."""
    other = {**reasoning(), "encrypted_content": "gBBB"}
    events = grown(response([reasoning(), message()]))
    events[-1] = {**events[-1], "response": response([other, message("Another")])}
    seen, folded = rewritten(events)
    assert folded["output"] == seen[-1]["response"]["output"] == [other, message("Another")]


@pytest.mark.parametrize("text", ["", "Hello"])
def test_one_delta_stands_for_a_text_that_came_in_one_piece(text: str) -> None:
    events = [event for event in grown(response([message(text)])) if not event["type"].endswith(".delta")]
    seen, _ = rewritten(events)
    deltas = [event["delta"] for event in seen if event["type"].endswith(".delta")]
    assert deltas == ([text] if text else [])


def test_a_call_is_withheld_until_its_name_is_known() -> None:
    """A client could not tell whose arguments they are; then they come in one piece."""
    whole = response([call()])
    events = [event for event in grown(whole) if event["type"] != "response.output_item.added"]
    live = ResponseStream(ClientView(), None)
    before = events_of(live.feed(stream(events[:-2])))
    assert [event["type"] for event in before] == ["response.created", "response.in_progress"]
    seen = events_of(live.feed(stream(events[-2:])))
    assert [event["type"].removeprefix("response.") for event in seen] == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    assert seen[1]["delta"] == call()["arguments"]


@pytest.mark.parametrize("item", [message(LONG_TEXT), call(), THOUGHT], ids=lambda item: item["type"])
def test_a_finished_item_without_its_texts_gets_them(item: Event) -> None:
    empty = {"content": [], "arguments": "", "summary": []}
    bare = {**item, **{name: value for name, value in empty.items() if name in item}}
    events = grown(response([item]))
    events[-2:] = [{**events[-2], "item": bare}, {**events[-1], "response": response()}]
    seen, folded = rewritten(events)
    check_events(seen)
    assert folded["output"] == added_up(seen) == [item]


def test_items_that_share_an_index_get_one_each() -> None:
    items = [reasoning(), message(), call()]
    events = [{**event, "output_index": 0} if "output_index" in event else event for event in grown(response(items))]
    events[-1] = {**events[-1], "response": response()}
    seen, folded = rewritten(events)
    check_events(seen)
    assert folded["output"] == added_up(seen) == items


def test_an_item_is_opened_once() -> None:
    events = grown(response([message()]))
    twice = numbered([each for event in events for each in [event] * (1 + event["type"].endswith(".added"))])
    seen, _ = rewritten(twice)
    check_events(seen)
    assert [event["type"] for event in seen] == [event["type"] for event in events]


def test_a_text_too_long_to_keep_is_not_made_up() -> None:
    events = [event for event in grown(response([message("word " * 20_000)])) if not event["type"].endswith("done")]
    events[-1] = {**events[-1], "response": response()}
    for limit, count in ((4_000_000, 1), (100_000, 0)):
        out = events_of(Rewriter(ClientView(), limit).feed(stream(events)))
        assert len(out[-1]["response"]["output"]) == len(added_up(out)) == count


def test_token_counts_of_chat_completions_are_renamed() -> None:
    usage = {
        "prompt_tokens": 75,
        "completion_tokens": 12,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    live = ResponseStream(ClientView(), None, lambda: NOW)
    end = {"type": "response.completed", "sequence_number": 1, "response": {**response(), "usage": usage}}
    seen = events_of(live.feed(stream([grown(response())[0], end])))
    assert live.usage == seen[-1]["response"]["usage"]
    assert live.usage == {**USAGE, "input_tokens_details": {"cached_tokens": 64}}


def test_the_request_is_echoed_as_the_client_made_it() -> None:
    tool = {"type": "function", "name": "read", "parameters": {"type": "object"}}
    body = {
        "model": "gpt-5-nano",
        "input": "Hi",
        "instructions": "Be brief.",
        "tools": [tool],
        "tool_choice": "required",
        "temperature": 0.2,
        "top_p": 0.9,
        "text": {"verbosity": "low"},
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "truncation": "auto",
        "max_output_tokens": 50,
        "reasoning": {"effort": "high"},
        "user": "u",
        "service_tier": None,
    }
    view = ClientView("gpt-5-nano", request_members(body))
    echo: dict[str, Any] = {
        "instructions": "You are Codex. " * 2000,
        "tools": [],
        "temperature": 1.0,
        "service_tier": "priority",
    }
    events = grown(response([message()], **echo))
    seen, folded = rewritten(events, view)
    assert b"You are Codex" not in dumps(seen)
    for told in (*(event["response"] for event in seen if "response" in event), folded):
        check_response(told)
        for name in ("instructions", "tool_choice", "temperature", "top_p", "metadata", "max_output_tokens", "user"):
            assert told[name] == body[name]
        assert told["tools"] == [{**tool, "description": None, "strict": None}]
        assert told["text"] == {"format": {"type": "text"}, "verbosity": "low"}
        assert told["reasoning"] == {"effort": "high", "summary": None}
        assert told["service_tier"] == "priority"


def test_a_request_without_optional_fields_gets_the_defaults() -> None:
    members = request_members({"model": "m", "input": "Hi", "text": None, "tools": None, "instructions": None})
    assert members == {"instructions": None, "tools": []}
    created = {"type": "response.created", "response": {"id": "resp_1"}}
    end = {"type": "response.completed", "response": {"id": "resp_1", "usage": {}}}
    seen, folded = rewritten([created, end], ClientView("m", members))
    check_events(seen)
    check_response(folded)
    assert (folded["store"], folded["background"], folded["previous_response_id"]) == (False, False, None)


def test_a_client_that_knows_codex_events_gets_the_stream_unchanged() -> None:
    events = [event for event in grown(response([reasoning(), message()])) if "_part." not in event["type"]]
    del events[0]["response"]["truncation"]
    events[-1]["response"]["usage"] = {"input_tokens": 1, "output_tokens": 2}
    data = stream(events)
    live = ResponseStream(ClientView("gpt-5.3-codex", codex_events=True), None)
    assert live.feed(data) + live.finish() == data
