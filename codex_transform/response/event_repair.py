"""Repair the events of a response one after the other: what one lacks comes from what came before.

Strategy: `EventRepairer` gets each event that had to be parsed, repairs it in place as its rule says, and reports what
it repaired, so that an event that needed nothing can leave as the bytes it came in. Events that were not parsed are
kept as bytes only, to be read should a later one lack something.
"""

from typing import Any, NamedTuple

from codex_transform import jsonio
from codex_transform.response import sse
from codex_transform.response.client_view import ClientView
from codex_transform.response.event_rules import Action, rule_for
from codex_transform.response.output_items import OutputItems
from codex_transform.response.upstream_error import UpstreamError, read_error, server_error

Event = dict[str, Any]

# The events that end an answer, and what they make of it.
ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}

# What the API reference requires of a response, and what only its end tells.
_EVERY_RESPONSE = {"id", "object", "created_at", "model", "tools", "tool_choice", "parallel_tool_calls"}
_ONLY_AT_THE_END = {"status", "output", "usage"}

# The AI SDK takes a final event without the two numbers for none at all.
_NO_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 0,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 0,
}


class Repair(NamedTuple):
    """The events that leave in the place of one, none when it is dropped, and the names of what was repaired."""

    events: list[Event]
    repaired: set[str]


class EventRepairer:
    """What one answer has said so far.

    `ended` says how it ended: `completed`, `incomplete`, `failed`, `error`, or None as long as it has not. `problem` is
    what the endpoint reported if it failed, `usage` what the final event said about tokens.
    """

    def __init__(self, view: ClientView, limit: int = sse.LIMIT) -> None:
        self.ended: str | None = None
        self.problem: UpstreamError | None = None
        self.usage: Event | None = None
        self._view = view
        self._items = OutputItems(limit)
        self._created = b""
        self._unread = b""
        self._next_number = 0

    def end(self, how: str) -> None:
        """Forget everything: the response has ended."""
        self.ended = how
        self._items = OutputItems(0)
        self._created = b""

    def keep(self, kind: str, block: bytes) -> None:
        """Remember what later events may need of `block`, an event of this type that is forwarded."""
        action = rule_for(kind).action
        if action is Action.ITEM_ADDED:
            self._items.begin(block)
        elif action is Action.ITEM_DONE:
            self._items.finish(block)
        elif kind == "response.created":
            self._created = block

    def follow(self, block: bytes) -> None:
        """`block` is the last event before the next one and has a number, but was not parsed."""
        self._unread = block

    def next_number(self) -> int:
        """Return the number of an event that has none."""
        if self._unread:
            self._take_number(_read(self._unread))
        self._next_number += 1
        return self._next_number - 1

    def missing_end(self) -> Repair | None:
        """Return the final event of an answer that ended without one, None if some of the answer is missing too."""
        if self.ended or not self._items.is_whole():
            return None
        event = {"type": "response.completed", "sequence_number": self.next_number(), "response": {}}
        events, repaired = self._end(event, {"final event"})
        return Repair(events, repaired)

    def repair(self, kind: str, event: Event) -> Repair:
        """Repairs `event`, which is of this type."""
        rule = rule_for(kind)
        repaired: set[str] = set()
        if rule.action is Action.DROP:
            if self._view.codex_events:
                return Repair([event], set())
            self._take_number(event)
            return Repair([], {"codex.*"})
        if event.get("type") != kind and kind:
            event["type"] = kind
            repaired.add("type")
        if "sequence_number" in rule.needs and not self._take_number(event):
            event["sequence_number"] = self.next_number()
            repaired.add("sequence_number")
        match rule.action:
            case Action.ERROR:
                return self._error(event)
            case Action.TERMINAL:
                return self._end(event, repaired)
            case Action.ITEM_ADDED | Action.ITEM_DONE:
                repaired |= self._items.complete(event)
            case Action.RESTORE_MODEL:
                repaired |= self._restore(event.get("response"))
            case _:
                repaired |= self._locate(event, rule.needs)
        return Repair([event], repaired)

    def _take_number(self, event: Event) -> bool:
        number = event.get("sequence_number")
        if type(number) is not int:
            return False
        self._next_number = number + 1
        self._unread = b""
        return True

    def _locate(self, event: Event, needs: tuple[str, ...]) -> set[str]:
        missing = {name for name in needs if not _is_set(event.get(name))}
        if missing & {"item_id", "output_index"}:
            self._items.locate(event)
        for name in missing & {"content_index", "summary_index"}:
            event[name] = 0
        return missing

    def _restore(self, response: Any) -> set[str]:
        if not isinstance(response, dict):
            return set()
        restored: set[str] = set()
        if self._view.model is not None and response.get("model") != self._view.model:
            response["model"] = self._view.model
            restored.add("model")
        for name, value in self._view.members.items():
            if name not in response or response[name] != value:
                response[name] = value
                restored.add("request")
        return restored

    def _complete(self, response: Event) -> set[str]:
        """Return the final response what every response has: from the one that `response.created` brought."""
        if response.keys() >= _EVERY_RESPONSE:
            return set()
        begun = _read(self._created).get("response")
        known = {"object": "response"} | (begun if isinstance(begun, dict) else {})
        response |= {name: known[name] for name in known.keys() - response.keys() - _ONLY_AT_THE_END}
        return {"response"}

    def _error(self, event: Event) -> Repair:
        if self.ended:
            return Repair([], {"second end"})
        self.end("error")
        self.problem = read_error(event) or server_error("The endpoint reported an error and did not say which.")
        standard = self.problem.event(event["sequence_number"])
        return Repair([standard], set() if standard == event else {"error"})

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
        repaired |= self._complete(response) | self._restore(response)
        given = response.get("output")
        if not given or not isinstance(given, list):
            response["output"] = self._items.finished()
            if response["output"] != given:
                repaired.add("output")
        if not isinstance(response.get("status"), str):
            response["status"] = end
            repaired.add("status")
        self.end(end)
        usage = response.get("usage")
        if _has_token_counts(usage):
            self.usage = usage
        elif end != "failed":
            # OpenCode asks again, without end, when it cannot tell what an answer took.
            known = usage.items() if isinstance(usage, dict) else ()
            right = {name: value for name, value in known if type(value) is type(_NO_USAGE.get(name, value))}
            response["usage"] = _NO_USAGE | right
            repaired.add("usage")
        if self._view.on_response:
            self._view.on_response(response)
        if end != "failed":
            return Repair([event], repaired)
        problem = read_error(response) or server_error("The endpoint reported that the response failed.")
        repaired |= _set_message(response.get("error"), problem.message)
        if reported:
            return Repair([event], repaired)
        # The API sends an `error` event first, and OpenCode 1.1 knows of no other way to fail.
        self.problem = problem
        error = problem.event(event["sequence_number"])
        event["sequence_number"] = self._next_number
        self._next_number += 1
        return Repair([error, event], repaired | {"error"})


def _has_token_counts(usage: Any) -> bool:
    """Return True for token counts that clients can work with."""
    return isinstance(usage, dict) and all(type(usage.get(name)) is int for name in ("input_tokens", "output_tokens"))


def _set_message(error: Any, message: str) -> set[str]:
    """Has a failed response's error say no more than its report does."""
    if not isinstance(error, dict) or error.get("message") in (None, message):
        return set()
    error["message"] = message
    return {"error"}


def _is_set(value: Any) -> bool:
    return type(value) is int or (isinstance(value, str) and value != "")


def _read(block: bytes) -> Event:
    return jsonio.loads_object(sse.parse(block).data or b"") or {}
