"""The public Open Responses specification, whose models validate response objects and events."""

import itertools
from enum import Enum
from typing import Any

import openresponses_types.types as specification
from pydantic import BaseModel


def _events() -> dict[str, type[BaseModel]]:
    """The event models by event type."""
    found = {}
    for name, model in vars(specification).items():
        if name.endswith("StreamingEvent") and isinstance(model, type) and issubclass(model, BaseModel):
            (kind,) = _values(model.model_fields["type"].annotation)
            found[kind] = model
    return found


def _values(kind: Any) -> list[str]:
    assert issubclass(kind, Enum)
    return [member.value for member in kind]


EVENTS = _events()

# The item types that the specification defines; it leaves the others to extensions.
ITEMS = frozenset({"message", "function_call", "function_call_output", "reasoning", "compaction"})


def check_response(response: Any) -> None:
    """Raises ValidationError for a response object that does not satisfy the specification."""
    specification.ResponseResource.model_validate(response)
    for item in response["output"]:
        for part in item.get("content") or ():
            if part["type"] == "output_text":
                assert isinstance(part["annotations"], list)
                assert isinstance(part["logprobs"], list)


def check_events(events: list[Any]) -> None:
    """Raises ValidationError or AssertionError for a stream that does not satisfy the specification.

    Its models define what an event consists of; the rest is what clients that accumulate a stream rely on.
    """
    numbers = [event["sequence_number"] for event in events]
    assert all(before < after for before, after in itertools.pairwise(numbers)), numbers
    ids: dict[int, str] = {}
    open_parts: set[Any] = set()
    done: set[int] = set()
    responses = set()
    assert events[0]["type"] == "response.created"
    for event in events:
        kind = event["type"]
        if kind in EVENTS and (event.get("item") or {}).get("type", "message") in ITEMS:
            EVENTS[kind].model_validate(event)
        if "response" in event:
            check_response(event["response"])
            responses.add(event["response"]["id"])
        index = event.get("output_index")
        if index is None:
            continue
        assert index not in done, (kind, index)
        if kind == "response.output_item.added":
            assert index not in ids
            ids[index] = event["item"]["id"]
            continue
        identity = event["item"]["id"] if "item" in event else event["item_id"]
        assert ids[index] == identity, kind
        place = (index, "summary" in kind, event.get("content_index", event.get("summary_index")))
        if kind.endswith("_part.added"):
            assert place not in open_parts
            open_parts.add(place)
        elif place[2] is not None:
            assert place in open_parts, kind
        if kind == "response.output_item.done":
            done.add(index)
    assert len(responses) == 1
    assert len(set(ids.values())) == len(ids)
    if events[-1]["type"] == "response.completed":
        assert done == ids.keys()
