"""What a stream has reported of its output items, to put in what it leaves out.

Strategy: each item has its `ItemGrowth`, which knows what has passed of it. An event about an item first gets the one
id and index of that item; whatever has to pass before it and has not is returned to be put in. Events of a well-made
stream need nothing. The memory is bounded; beyond that, items are not put into the final event.
"""

import copy
from typing import Any, NamedTuple

from codex_transform import jsonio
from codex_transform.response import sse
from codex_transform.response.item_growth import ItemGrowth
from codex_transform.response.item_members import complete_item, complete_part, needs_status
from codex_transform.response.output_order import OutputOrder
from codex_transform.response.text_growth import Text
from codex_transform.response.text_kinds import OF_PART, OF_TEXT, PART_EVENTS, TEXTS, TextKind

Event = dict[str, Any]

_ADDED, _DONE = "response.output_item.added", "response.output_item.done"
_ANNOTATION = "response.output_text.annotation.added"

# What a client acts upon once it is done: it is not to take half a call for a whole one.
_ACTED_UPON = frozenset({"function_call", "custom_tool_call", "mcp_call", "local_shell_call"})


class Step(NamedTuple):
    """What an event needs: the events that go before it, whether it may pass itself, and what was repaired in it."""

    before: list[Event]
    passes: bool
    repaired: set[str]


class OutputItems:
    """The items of one answer. With `observing`, events get no more than the members that they lack."""

    def __init__(self, limit: int = sse.LIMIT, *, observing: bool = False) -> None:
        self._room = limit
        self._text_room = limit // 16
        self._observing = observing
        self._order = OutputOrder()
        self._text: Text | None = None

    @property
    def given_ids(self) -> dict[str, str]:
        """The last id that the endpoint gave an item, by the one that it has, if that is another."""
        return self._order.given_ids

    @property
    def current_text(self) -> Text | None:
        """The text that the last event was a delta of, None if it was none."""
        return self._text

    def stop_inserting(self) -> None:
        """From now on, give events no more than the members that they lack."""
        self._observing = True

    def follow(self, text: Text, events: bytes) -> None:
        """Take events, unparsed, that are deltas of this text."""
        before = text.size
        text.grow_unread(events)
        self._keep(text, text.size - before)

    def repair(self, event: Event, size: int) -> Step:
        """Repair an event about an item, in place; it came as so many bytes."""
        if not self._observing:
            return self._step(event, size)
        seen = copy.deepcopy(event)
        self._step(seen, size)
        return Step([], True, _copy_missing(seen, event))

    def output(self, status: str) -> list[Any]:
        """Return the items in their order, unfinished ones with this status; empty when they were too big to keep."""
        if self._room < 0 or any(growth.lost for growth in self._order.items):
            return []
        found = [growth.result(status) for growth in self._order.items]
        return [item for item in found if item]

    def is_whole(self) -> bool:
        """Return whether every item that was begun is complete, and the last one is more than a thought."""
        items = [growth for growth in self._order.items if growth.known]
        if not items or self._room < 0 or not all(growth.done for growth in items):
            return False
        return items[-1].type != "reasoning"

    def close(self, output: Any, status: str) -> list[Event]:
        """Return what has not passed of the answer's items, now that it ends. `output` are its items, if it says."""
        if self._observing:
            return []
        events: list[Event] = []
        given = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
        pairs, new = self._order.match(given)
        for growth, item in pairs:
            if item is not None:
                self._order.identify(item, growth)
            if growth.done or (status != "completed" and growth.type in _ACTED_UPON):
                continue
            if item is None:
                item = None if growth.lost else growth.result(status) or _nothing_more(growth)
            if item is not None:
                self._order.number(growth)
                events += growth.closing(item)
                growth.finish(item)
        for place, item in new:
            growth = self._order.new(place)
            self._order.number(growth)
            self._order.identify(item, growth)
            complete_item(item, status)
            events += growth.closing(item)
            growth.finish(item)
        return events

    def _step(self, event: Event, size: int) -> Step:
        self._text = None
        kind = event["type"]
        if kind in (_ADDED, _DONE):
            return self._item_event(event, size) if isinstance(event.get("item"), dict) else Step([], True, set())
        growth = self._order.locate(event)
        kinds = self._kind_of(event, growth)
        withheld = kinds is not None and not growth.can_open(kinds[0])
        repaired = set() if withheld and not self._observing else self._order.set_place(event, growth)
        if kinds is None or growth.done:
            return Step([], True, repaired)
        return self._text_event(event, growth, *kinds, repaired)

    def _item_event(self, event: Event, size: int) -> Step:
        item, finished = event["item"], event["type"] == _DONE
        given, identity = event.get("output_index"), jsonio.text_or_none(item.get("id"))
        growth = self._order.find(given, identity)
        if growth is None and type(given) is not int and finished:
            growth = self._order.first_unfinished()
        repaired: set[str] = set()
        if growth and growth.done:
            if finished and identity and identity == growth.id:
                return Step([], False, {"second closing"})
            growth = None
        elif growth and growth.begun and not finished:
            if not identity or identity == growth.id:
                return Step([], False, {"second opening"})
            growth = None
        if growth is None:
            growth = self._order.new(given)
        self._order.latest = growth
        index = self._order.number(growth)
        if event.get("output_index") != index:
            event["output_index"] = index
            repaired.add("output_index")
        if self._order.identify(item, growth):
            repaired.add("item_id")
        self._room -= size
        if not finished:
            growth.begun = True
            repaired |= {"defaults"} if complete_item(item, "in_progress") else set()
            growth.item = item if self._room >= 0 else {"type": item.get("type")}
            return Step([], True, repaired)
        repaired |= {"status"} if needs_status(item) else set()
        if growth.fill(item):
            repaired.add("events")
        repaired |= {"defaults"} if complete_item(item, "completed") and "status" not in repaired else set()
        before = [each for each in growth.closing(item) if each["type"] != _DONE]
        growth.finish(item if self._room >= 0 else {"type": item.get("type")})
        return Step(before, True, repaired)

    def _text_event(self, event: Event, growth: ItemGrowth, item_type: str, kind: TextKind, repaired: set[str]) -> Step:
        name, text = event["type"], growth.text(kind, event)
        number = event.get(kind.counter, 0) if kind.counter else 0
        opening = growth.opening(item_type)
        before = opening or []
        if name == f"{kind.event}.delta":
            delta = event.get("delta")
            if isinstance(delta, str) and not text.ended:
                text.grow(delta)
                self._keep(text, len(delta))
            if opening is None:
                return Step([], False, {"events"})
            self._text = text
            before += growth.part_opening(kind, number)
            text.grown = True
        elif name == f"{kind.event}.done":
            if not isinstance(event.get(kind.member), str):
                event[kind.member] = text.value
                repaired.add("defaults")
            self._keep(text, -text.size)
            if opening is None:
                text.end(event[kind.member])
                return Step([], False, {"events"})
            if text.ended:
                return Step(before, True, repaired)
            part = {kind.member: event[kind.member]}
            before += growth.text_closing(kind, number, part, growth.item, up_to=name)
            text.ended = True
            text.end(event[kind.member])
        elif name == _ANNOTATION:
            before += growth.part_opening(kind, number)
            text.notes.append(event.get("annotation"))
        else:
            return self._part_event(event, growth, kind, Step(before, True, repaired))
        return Step(before, True, repaired)

    def _part_event(self, event: Event, growth: ItemGrowth, kind: TextKind, step: Step) -> Step:
        """Go on with an event that opens or closes a part."""
        text, number = growth.text(kind, event), event.get(kind.counter, 0)
        part = event.get("part")
        if not isinstance(part, dict):
            part = event["part"] = {"type": kind.part} if event["type"].endswith(".added") else growth.part(text)
            step.repaired.add("defaults")
        if event["type"].endswith(".added"):
            if text.opened:
                return Step(step.before, False, {"second opening"})
            text.opened = True
        else:
            if not part.get(kind.member) and text.value:
                part[kind.member] = text.value
                step.repaired.add("defaults")
            before = growth.text_closing(kind, number, part, growth.item, up_to=event["type"])
            step.before.extend(before)
            text.closed = True
            text.end(part.get(kind.member))
        if complete_part(part):
            step.repaired.add("defaults")
        text.part = part
        return step

    def _kind_of(self, event: Event, growth: ItemGrowth) -> tuple[str, TextKind] | None:
        """Return what kind of text an event is about, and the type of item, None if neither is known."""
        name = event["type"]
        found = OF_TEXT.get(name)
        if name in PART_EVENTS:
            part = event.get("part")
            part_type = part.get("type") if isinstance(part, dict) else None
            if part_type is None:
                about = growth.type or ("reasoning" if "summary" in name else "message")
                kinds = [kind for kind in TEXTS.get(about, ()) if name.startswith(f"{kind.part_event}.")]
                found = (about, kinds[0]) if kinds else None
                if found and isinstance(part, dict):
                    part["type"] = kinds[0].part
            else:
                found = OF_PART.get((name, str(part_type)))
        if found and growth.type and growth.type != found[0]:
            return None
        return found

    def _keep(self, text: Text, size: int) -> None:
        """Count what is kept of a text, or no more of it."""
        self._text_room -= size
        if self._text_room < 0:
            self._text_room += text.size
            text.lose()


def _nothing_more(growth: ItemGrowth) -> Event | None:
    """Return an item of which nothing came but that it was added: it is over, too."""
    if not growth.begun:
        return None
    return {**growth.item, "status": "incomplete" if growth.type in _ACTED_UPON else "completed"}


def _copy_missing(seen: Event, event: Event) -> set[str]:
    """Give an event what it lacks of its index, its id, and its item's id and status."""
    missing: set[str] = set()
    for name in ("output_index", "item_id"):
        value = event.get(name)
        if name in seen and type(value) is not int and not jsonio.text_or_none(value):
            event[name] = seen[name]
            missing.add(name)
    item, whole = event.get("item"), seen.get("item")
    if isinstance(item, dict) and isinstance(whole, dict) and event["type"] in (_ADDED, _DONE):
        # An event that comes a second time was not completed.
        if not jsonio.text_or_none(item.get("id")) and jsonio.text_or_none(whole.get("id")):
            item["id"] = whole["id"]
            missing.add("item_id")
        if event["type"] == _DONE and needs_status(item) and not needs_status(whole):
            item["status"] = whole["status"]
            missing.add("status")
    return missing
