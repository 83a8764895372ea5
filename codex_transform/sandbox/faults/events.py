"""Faults in the content of a stream: its events are changed, left out, or replaced by others.

Strategy: each function returns an `Edit`, which wraps a response's lazy events. Edits may be combined in any order.
The shapes are those that clients of Codex endpoints and of relays before them have reported, and those that the
OpenAI API reference gives for errors.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from codex_transform.sandbox.planned_response import Edit, Event, PlannedResponse

_TERMINAL = frozenset({"response.completed", "response.done", "response.incomplete", "response.failed"})


def end_as(kind: str) -> Edit:
    """Rename the terminal event."""
    return _terminal(lambda event: {**event, "type": kind})


def output(change: Callable[[dict[str, Any], list[Any]], object]) -> Edit:
    """Edit the terminal event's response by `change`, which also gets the items that were streamed."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.events = changed(planned.events)

    def changed(events: Iterable[Event]) -> Iterator[Event]:
        items: list[Any] = []
        for event in events:
            if event["type"] == "response.output_item.done":
                items.append(event["item"])
            if event["type"] in _TERMINAL:
                event = {**event, "response": dict(event["response"])}
                change(event["response"], items)
            yield event

    return edit


def both(*edits: Edit) -> Edit:
    """Return one edit that applies these in their order."""

    def edit(planned: PlannedResponse, at: int) -> None:
        for each in edits:
            each(planned, at)

    return edit


def filled_output() -> Edit:
    """Put the items that were streamed into the terminal event."""
    return output(lambda response, items: response.update(output=items))


def thin_terminal() -> Edit:
    """Reduce the terminal event's response to what a client cannot do without."""
    return _terminal(lambda event: {**event, "response": {name: event["response"][name] for name in ("id", "usage")}})


def without(*fields: str) -> Edit:
    """Leave these fields out of every event."""
    return _each(lambda event: {name: value for name, value in event.items() if name not in fields})


def only(*kinds: str) -> Edit:
    """Leave out every event of another type, and number the others from 0."""
    return _chosen(lambda event: event["type"] in kinds)


def leave_out(*endings: str) -> Edit:
    """Leave out every event whose type ends like this, and number the others from 0."""
    return _chosen(lambda event: not event["type"].endswith(endings))


def rotating_ids() -> Edit:
    """Give an item another id in every event about it, the terminal one included."""
    count = itertools.count()

    def rotated(item: Event) -> Event:
        return {**item, "id": f"{item['type']}_sandbox_{next(count)}"}

    def change(event: Event) -> Event:
        if "item_id" in event:
            event = {**event, "item_id": f"item_sandbox_{next(count)}"}
        if "item" in event:
            event = {**event, "item": rotated(event["item"])}
        if event.get("response", {}).get("output"):
            event = {**event, "response": {**event["response"], "output": [*map(rotated, event["response"]["output"])]}}
        return event

    return _each(change)


def bare_openings() -> Edit:
    """Add items without their lists of parts."""

    def change(event: Event) -> Event:
        if event["type"] != "response.output_item.added":
            return event
        return {**event, "item": _bare(event["item"], "content", "summary")}

    return _each(change)


def chat_usage() -> Edit:
    """Name the token counts as the API for chat completions does."""

    def change(event: Event) -> Event:
        usage = event["response"]["usage"]
        renamed = {
            "prompt_tokens": usage["input_tokens"],
            "completion_tokens": usage["output_tokens"],
            "total_tokens": usage["total_tokens"],
            "prompt_tokens_details": usage["input_tokens_details"],
            "completion_tokens_details": usage["output_tokens_details"],
        }
        return {**event, "response": {**event["response"], "usage": renamed}}

    return _terminal(change)


def thin() -> Edit:
    """Reduce every event to what the answer would be lost without."""

    def thinned(item: Event) -> Event:
        bare = _bare(item, "id", "status", "role")
        for place in ("content", "summary"):
            if place in bare:
                bare[place] = [_bare(part, "annotations", "logprobs") for part in bare[place]]
        return bare

    def change(event: Event) -> Event:
        bare = _bare(event, "sequence_number", "item_id", "output_index", "content_index", "summary_index", "logprobs")
        if "part" in bare:
            bare["part"] = _bare(bare["part"], "annotations", "logprobs")
        if "item" in bare:
            bare["item"] = thinned(bare["item"])
        if "response" in bare:
            usage = bare["response"]["usage"] or {}
            counts = {name: usage[name] for name in ("input_tokens", "output_tokens") if name in usage}
            bare["response"] = {"id": bare["response"]["id"], "usage": counts}
        return bare

    return _each(change)


def response_model(model: str) -> Edit:
    """Name another model than was asked for."""

    def change(event: Event) -> Event:
        if "response" not in event:
            return event
        return {**event, "response": {**event["response"], "model": model}}

    return _each(change)


def extra(make: Callable[[], Event]) -> Edit:
    """Add an event twice: after the first event, and before the terminal one."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.events = longer(planned.events)

    def longer(given: Iterable[Event]) -> Iterator[Event]:
        for index, event in enumerate(given):
            if event["type"] in _TERMINAL:
                yield make()
            yield event
            if index == 0:
                yield make()

    return edit


def stop() -> Edit:
    """End the stream properly after the first `at` events."""

    def edit(planned: PlannedResponse, at: int) -> None:
        planned.events = islice(planned.events, at)

    return edit


def without_terminal() -> Edit:
    """Leave out the terminal event, and end the stream properly."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        events = planned.events
        planned.events = (event for event in events if event["type"] not in _TERMINAL)

    return edit


def error(transform: Event) -> Edit:
    """End the stream after `at` events with this one, numbered."""

    def edit(planned: PlannedResponse, at: int) -> None:
        planned.events = broken(planned.events, at)

    def broken(events: Iterable[Event], at: int) -> Iterator[Event]:
        yield from islice(events, at)
        yield {**transform, "sequence_number": at}

    return edit


def failed(code: str, message: str) -> Edit:
    """Let the response fail with this error after `at` events (at least one)."""

    def edit(planned: PlannedResponse, at: int) -> None:
        planned.events = failing(planned.events, max(at, 1))

    def failing(events: Iterable[Event], at: int) -> Iterator[Event]:
        response: dict[str, Any] = {}
        for event in islice(events, at):
            response = event.get("response", response)
            yield event
        error = {"code": code, "message": message}
        response = {**response, "status": "failed", "error": error}
        yield {"type": "response.failed", "sequence_number": at, "response": response}

    return edit


def incomplete(reason: str) -> Edit:
    """End the answer before it is complete, for this reason, in a proper terminal event."""

    def change(event: Event) -> Event:
        details = {"status": "incomplete", "incomplete_details": {"reason": reason}}
        return {**event, "type": "response.incomplete", "response": {**event["response"], **details}}

    return _terminal(change)


def rate_limits() -> Event:
    """Return the event with which Codex endpoints report how much of a plan is used up."""
    now = int(time.time())
    windows = {
        "primary": {"used_percent": 42, "window_minutes": 300, "reset_at": now + 3600},
        "secondary": {"used_percent": 7, "window_minutes": 10080, "reset_at": now + 86400},
    }
    limits = {"allowed": True, "limit_reached": False, **windows}
    return {"type": "codex.rate_limits", "plan_type": "sandbox", "rate_limits": limits}


def unknown_event() -> Event:
    """Return an event of a type that no client knows."""
    return {"type": "response.sandbox.news", "news": "none"}


def _bare(members: Event, *names: str) -> Event:
    return {name: value for name, value in members.items() if name not in names}


def _chosen(holds: Callable[[Event], bool]) -> Edit:
    def edit(planned: PlannedResponse, _at: int) -> None:
        events = planned.events
        chosen = (event for event in events if holds(event))
        planned.events = ({**event, "sequence_number": number} for number, event in enumerate(chosen))

    return edit


def _each(change: Callable[[Event], Event]) -> Edit:
    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.events = map(change, planned.events)

    return edit


def _terminal(change: Callable[[Event], Event]) -> Edit:
    return _each(lambda event: change(event) if event["type"] in _TERMINAL else event)
