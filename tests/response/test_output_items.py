"""Items whose events come in any order: which item each event is about, and what passes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from response.streams import events_of, stream

from codex_transform.response.client_view import ClientView
from codex_transform.response.rewriter import Rewriter

Event = dict[str, Any]

IDS = st.sampled_from(["a", "b", "same", "", None, 5])
INDEXES = st.sampled_from([0, 1, 2, -1, "x", None, True])
ITEMS = st.fixed_dictionaries(
    {"type": st.sampled_from(["message", "reasoning", "function_call", "web_search_call"])},
    optional={"id": IDS, "status": st.sampled_from(["in_progress", "completed", None])},
)
TEXT_EVENTS = [
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.reasoning_summary_text.delta",
    "response.function_call_arguments.done",
]
EVENTS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["response.output_item.added", "response.output_item.done"]), "item": ITEMS},
        optional={"output_index": INDEXES},
    )
    | st.fixed_dictionaries(
        {"type": st.sampled_from(TEXT_EVENTS), "delta": st.just("x")},
        optional={"output_index": INDEXES, "item_id": IDS, "text": st.just("xy")},
    ),
    max_size=12,
)


def rewritten(events: list[Event], view: ClientView) -> list[Event]:
    rewriter = Rewriter(view, now=lambda: 1.0)
    return events_of(rewriter.feed(stream(events)) + rewriter.finish())


@given(EVENTS)
def test_a_client_that_knows_codex_events_gets_each_as_it_came_but_for_what_it_lacks(events: list[Event]) -> None:
    out = rewritten(events, ClientView(codex_events=True))
    assert [event["type"] for event in out] == [event["type"] for event in events]
    for event, came in zip(out, events, strict=True):
        for name, value in came.get("item", {}).items():
            assert event["item"][name] == value or not value or (name == "id" and type(value) is not str)


@given(EVENTS, st.lists(ITEMS, max_size=4))
def test_each_item_has_one_id_and_one_index_of_its_own(events: list[Event], output: list[Event]) -> None:
    end = {"type": "response.completed", "response": {"id": "resp_1", "output": output}}
    out = rewritten([*events, end], ClientView())
    indexes = [event["output_index"] for event in out if event["type"] == "response.output_item.added"]
    assert indexes == list(range(len(indexes)))
    ids = {event["output_index"]: event["item"]["id"] for event in out if event["type"] == "response.output_item.added"}
    for event in out:
        about = event.get("item", {}).get("id") or event.get("item_id")
        if about and event["output_index"] in ids:
            assert about == ids[event["output_index"]]
