"""Repair the events of a response one after the other: what one lacks comes from what came before.

Strategy: `EventRepairer` gets each event that had to be parsed, repairs it in place as its rule says, and reports what
it repaired, so that an event that needed nothing can leave as the bytes it came in. What should have come before it is
put in; from then on, events whose numbers are taken get new ones. Events that were not parsed are kept as bytes only,
to be read should a later one lack something. For a client that knows Codex's events, no more is repaired than it takes
to read the answer: the members that say what an event is about, and the final response.
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

from codex_transform import jsonio
from codex_transform.response import sse
from codex_transform.response.client_view import ClientView
from codex_transform.response.event_rules import Action, rule_for
from codex_transform.response.item_members import complete_item
from codex_transform.response.output_items import OutputItems
from codex_transform.response.response_members import complete_response, complete_usage, has_token_counts
from codex_transform.response.text_growth import Text
from codex_transform.response.upstream_error import UpstreamError, read_error, server_error

Event = dict[str, Any]

# The events that end an answer, and what they make of it.
ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}

# What the API reference requires of a response, and what only its end tells.
_EVERY_RESPONSE = {"id", "object", "created_at", "model", "tools", "tool_choice", "parallel_tool_calls"}
_ONLY_AT_THE_END = {"status", "output", "usage", "completed_at"}

# How far a response is, by the events before its end.
_BEGUN = {"response.created": "in_progress", "response.in_progress": "in_progress", "response.queued": "queued"}


class Repair(NamedTuple):
    """The events that leave in the place of one, none when it is dropped, and the names of what was repaired."""

    events: list[Event]
    repaired: set[str]


class EventRepairer:
    """What one answer has said so far.

    `ended` says how it ended: `completed`, `incomplete`, `failed`, `error`, or None as long as it has not. `problem` is
    what the endpoint reported if it failed, `usage` what the final event said about tokens. `given_ids` are the ids
    that the final event gave items which had others before, by those.
    """

    def __init__(self, view: ClientView, limit: int = sse.LIMIT, now: Callable[[], float] = time.time) -> None:
        self.ended: str | None = None
        self.problem: UpstreamError | None = None
        self.usage: Event | None = None
        self._view = view
        self._now = now
        self._items = OutputItems(limit, observing=view.codex_events)
        self._created: Event = {}
        self._unread = b""
        self._next_number = 0
        self._inserted = False
        self._opened = False
        self.given_ids: dict[str, str] = {}
        # What the first response object was known by, for those that do not say.
        self._known: Event = {}

    @property
    def current_text(self) -> Text | None:
        """The text that the last event was a delta of, None if it was none."""
        return self._items.current_text

    def end(self, how: str) -> None:
        """Forget everything: the response has ended."""
        self.ended = how
        self._items = OutputItems(0, observing=True)
        self._created = {}

    def follow(self, text: Text | None, events: list[bytes]) -> None:
        """Take `events`, which were not parsed, all of them deltas of `text`, one or more in each piece."""
        self._unread = events[-1]
        if text:
            self._items.follow(text, b"".join(events))

    def miss_event(self) -> None:
        """Take note of an event that nobody has read: from now on, nothing can be said to be missing."""
        self._items.stop_inserting()
        self._opened = True

    def next_number(self) -> int:
        """Return the number of an event that has none."""
        self._read_number()
        self._next_number += 1
        return self._next_number - 1

    def missing_end(self) -> Repair | None:
        """Return the final event of an answer that ended without one, None if some of the answer is missing too."""
        if self.ended or not self._items.is_whole():
            return None
        event = {"type": "response.completed", "response": {}}
        events, repaired = self._end(event, {"final event"})
        return Repair(events, repaired)

    def repair(self, kind: str, event: Event, size: int) -> Repair:
        """Repairs `event`, which is of this type and came as so many bytes."""
        rule = rule_for(kind)
        repaired: set[str] = set()
        if self.ended and rule.action not in (Action.ERROR, Action.TERMINAL):
            return Repair([], {"late event"})
        if rule.action is Action.DROP:
            if self._view.codex_events:
                return Repair([event], set())
            self._take_number(event)
            return Repair([], {"codex.*"})
        if event.get("type") != kind and kind:
            event["type"] = kind
            repaired.add("type")
        before: list[Event] = []
        match rule.action:
            case Action.ERROR:
                return self._error(event, repaired)
            case Action.TERMINAL:
                return self._end(event, repaired)
            case Action.RESPONSE:
                repaired |= self._begin(event)
                if kind != "response.created":
                    before = self._opening(event.get("response"))
                self._opened = True
            case _ if rule.action is Action.ITEM or "item_id" in rule.needs:
                for name in ("content_index", "summary_index"):
                    if name in rule.needs and type(event.get(name)) is not int:
                        event[name] = 0
                        repaired.add(name)
                step = self._items.repair(event, size)
                repaired |= step.repaired
                if not step.passes:
                    self._take_number(event)
                    return Repair([], repaired)
                before = [*self._opening(None), *step.before]
        return Repair(self._numbered(before, event, rule.needs, repaired), repaired)

    def _numbered(self, before: list[Event], event: Event, needs: tuple[str, ...], repaired: set[str]) -> list[Event]:
        """Return the events with numbers: those that are put in before one, and that one."""
        for each in before:
            each["sequence_number"] = self.next_number()
        if before:
            self._inserted = True
            repaired.add("events")
        if not self._take_number(event) and ("sequence_number" in needs or "sequence_number" in event):
            repaired.add("events" if type(event.get("sequence_number")) is int else "sequence_number")
            event["sequence_number"] = self.next_number()
        return [*before, event]

    def _take_number(self, event: Event) -> bool:
        """Take the number of an event; False if it has none, or one that was given to an event put in."""
        number = event.get("sequence_number")
        if type(number) is not int:
            return False
        if self._inserted:
            self._read_number()
            if number < self._next_number:
                return False
        self._next_number = number + 1
        self._unread = b""
        return True

    def _read_number(self) -> None:
        """Read the number of the last event that was not parsed."""
        if self._unread:
            (*_, last) = sse.split(self._unread)
            number = _read(last).get("sequence_number")
            self._unread = b""
            if type(number) is int:
                self._next_number = number + 1

    def _begin(self, event: Event) -> set[str]:
        """Repair an event about a response that has not ended."""
        response = event.get("response")
        standard = not self._view.codex_events
        if not isinstance(response, dict):
            if not standard:
                return set()
            response = event["response"] = {}
        repaired = self._restore(response)
        if event["type"] == "response.created":
            self._created = response
        if standard and response.get("output"):
            # What it holds would be there twice, for those who add up what comes.
            response["output"] = []
            repaired.add("events")
        if standard and self._fill(response, _BEGUN[event["type"]]):
            repaired.add("defaults")
        return repaired

    def _opening(self, response: Event | None) -> list[Event]:
        """Return the event that begins the answer, if it has not passed; `response` is the response, if it is known."""
        if self._opened or self._view.codex_events:
            return []
        self._opened = True
        begun = dict(response or {})
        if response:
            begun |= dict.fromkeys(("usage", "error", "incomplete_details", "completed_at"))
            begun |= {"status": "in_progress", "output": []}
        self._restore(begun)
        self._fill(begun, "in_progress")
        return [{"type": "response.created", "response": begun}]

    def _fill(self, response: Event, status: str) -> bool:
        """Put into a response what it lacks; return whether it lacked anything."""
        changed = False
        if self._known and response.get("id") != self._known["id"]:
            # OpenAI's SDK takes it for another response.
            response["id"] = self._known["id"]
            changed = True
        if self._known and not response.get("created_at"):
            response["created_at"] = self._known["created_at"]
            changed = True
        changed |= complete_response(response, status, self._now())
        self._known = self._known or {name: response[name] for name in ("id", "created_at")}
        return changed

    def _restore(self, response: Event) -> set[str]:
        """Give a response the model's name and the members that the client knows it by."""
        restored: set[str] = set()
        if self._view.model is not None and response.get("model") != self._view.model:
            response["model"] = self._view.model
            restored.add("model")
        for name, value in self._view.members.items():
            # Which tier it was is the endpoint's to say.
            if name == "service_tier" and isinstance(response.get(name), str):
                continue
            if name not in response or response[name] != value:
                response[name] = value
                restored.add("request")
        return restored

    def _complete(self, response: Event) -> set[str]:
        """Give the final response what the one that `response.created` brought has."""
        if response.keys() >= _EVERY_RESPONSE:
            return set()
        known = {"object": "response"} | self._created
        lacking = [name for name in known if name not in response and name not in _ONLY_AT_THE_END]
        response |= {name: known[name] for name in lacking}
        return {"response"}

    def _error(self, event: Event, repaired: set[str]) -> Repair:
        if self.ended:
            return Repair([], {"second end"})
        self._numbered([], event, ("sequence_number",), repaired)
        self.end("error")
        self.problem = read_error(event) or server_error("The endpoint reported an error and did not say which.")
        standard = self.problem.event(event["sequence_number"])
        return Repair([standard], repaired if standard == event else {"error"})

    def _end(self, event: Event, repaired: set[str]) -> Repair:
        response = event.get("response")
        if not isinstance(response, dict):
            response = event["response"] = {}
        if event["type"] in ("response.done", "response.completed"):
            # Some relays have one event for every end; what the response says of itself tells which it is.
            kind = f"response.{response.get('status')}"
            kind = kind if kind in ENDS else "response.completed"
            if kind != event["type"]:
                repaired.add(event["type"])
                event["type"] = kind
        end = ENDS[event["type"]]
        reported = self.ended == "error" and end == "failed"
        if self.ended and not reported:
            return Repair([], {"second end"})
        repaired |= self._restore(response) | self._complete(response)
        if not isinstance(response.get("status"), str):
            response["status"] = end
            repaired.add("status")
        before = self._finish_items(response, end, repaired)
        repaired |= self._count(response, end)
        problem = None
        if end == "failed":
            problem = read_error(response) or server_error("The endpoint reported that the response failed.")
            repaired |= _set_error(response, problem, standard=not self._view.codex_events)
        if not self._view.codex_events and self._fill(response, end):
            repaired.add("defaults")
        if end != "failed":
            before = [*self._opening(response), *before]
        numbered = self._numbered(before, event, ("sequence_number",), repaired)
        self.end(end)
        if self._view.on_response:
            self._view.on_response(response)
        if problem is None or reported:
            return Repair(numbered, repaired)
        # The API sends an `error` event first, and OpenCode 1.1 knows of no other way to fail.
        self.problem = problem
        error = problem.event(event["sequence_number"])
        event["sequence_number"] = self._next_number
        self._next_number += 1
        return Repair([error, *numbered], repaired | {"error"})

    def _count(self, response: Event, end: str) -> set[str]:
        """Take the token counts of the final response, and put in those that it lacks."""
        counted, found = has_token_counts(response.get("usage")), set[str]()
        if end != "failed" and not (counted and self._view.codex_events):
            found = complete_usage(response)
            counted = "usage" not in found
        if counted:
            self.usage = response["usage"]
        return found

    def _finish_items(self, response: Event, end: str, repaired: set[str]) -> list[Event]:
        """Give the final response its items; return the events about them that have not passed."""
        given = response.get("output")
        standard = not self._view.codex_events
        output = given if isinstance(given, list) and given else None
        if output and standard:
            changed = [isinstance(item, dict) and complete_item(item, end) for item in output]
            repaired |= {"defaults"} if any(changed) else set()
        before = [] if end == "failed" else self._items.close(output, end)
        self.given_ids = dict(self._items.given_ids) if output else {}
        if self.given_ids:
            repaired.add("item_id")
        if not output:
            response["output"] = self._items.output(end)
            if response["output"] != given:
                repaired.add("output")
        return before


def _set_error(response: Event, problem: UpstreamError, *, standard: bool) -> set[str]:
    """Has a failed response's error say no more than its report does; if it is to be standard, with a code."""
    error = response.get("error")
    if not isinstance(error, dict):
        return set()
    right = dict(error)
    if standard or error.get("message") is not None:
        right["message"] = problem.message
    if standard and not error.get("code"):
        right["code"] = problem.code or "server_error"
    if right == error:
        return set()
    response["error"] = right
    return {"error"}


def _read(block: bytes) -> Event:
    return jsonio.loads_object(sse.parse(block).data or b"") or {}
