"""How an output item grows, event by event: the one description that whoever reads or writes a stream goes by.

Strategy: an item is opened, its texts grow by deltas, and it is done; `text_kinds` says which texts it has.
`ItemGrowth` notes what has passed of one item, and `closing` yields what has not: of an item of which nothing has
passed, that is all of it. A text that has not passed is one delta: it is all there already.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from codex_transform.response.item_members import complete_item, complete_part
from codex_transform.response.text_growth import Text
from codex_transform.response.text_kinds import OUTPUT_TEXT, TEXTS, TextKind, texts_of

Event = dict[str, Any]
Item = Mapping[str, Any]

# What an item has none of at first, besides its texts.
_LATER: dict[str, Item] = {"reasoning": {"encrypted_content": None}, "mcp_call": {"output": None}}

# Items that can be opened before anything is known of them but their texts.
_OPENED_BY_TEXT = frozenset({"message", "reasoning"})


class ItemGrowth:
    """What has passed of the item at `index`. `item` is what the last event told of it, {} as long as none has.

    `begun` is True once it was added, `done` once it was done. `place` orders it among the others of the output.
    `index` is None as long as no event about it has passed.
    """

    def __init__(self, index: int | None, item_id: str | None = None, *, place: int = 0) -> None:
        self.index = index
        self.place = place
        self.id = item_id
        self.item: Event = {}
        self.begun = False
        self.done = False
        self._texts: dict[tuple[str, int], Text] = {}

    @property
    def type(self) -> str:
        """The type of the item, "" as long as it is not known."""
        return str(self.item.get("type") or "")

    @property
    def known(self) -> bool:
        """True once the item has been added, or one of its texts has begun."""
        return self.begun or bool(self._texts)

    @property
    def lost(self) -> bool:
        """True if a text was too long to be kept, and is needed."""
        return any(text.lost for text in self._texts.values())

    def text(self, kind: TextKind, event: Event) -> Text:
        """Return the text that an event is about."""
        number = event.get(kind.counter) if kind.counter else 0
        return self._text(kind, number if type(number) is int else 0)

    def finish(self, item: Event) -> None:
        """Take the finished item, which holds all texts."""
        self.item = item
        self.begun = self.done = True
        for kind, number, part in texts_of(item):
            if part.get(kind.member):
                self._text(kind, number).lost = False
        self.forget()

    def forget(self) -> None:
        """Forget what the texts are."""
        for text in self._texts.values():
            text.forget()

    def can_open(self, item_type: str) -> bool:
        """Return whether enough is known of an item of this type to add it, if it has not been."""
        return self.begun or bool(self.item) or item_type in _OPENED_BY_TEXT

    def opening(self, item_type: str) -> list[Event] | None:
        """Return the event that adds an item of this type, if it has not passed; None if too little is known of it."""
        if self.begun:
            return []
        if not self.can_open(item_type):
            return None
        if not self.item:
            self.item = {"type": item_type, "id": self.id}
            complete_item(self.item, "in_progress")
        return [self._add(self.item)]

    def part_opening(self, kind: TextKind, number: int) -> Iterator[Event]:
        """Yield the event that adds a part, if it has parts and the event has not passed."""
        text = self._text(kind, number)
        if kind.part and not text.opened:
            text.opened = True
            yield self._about(f"{kind.part_event}.added", kind, number, part=_empty_part(kind, text.part))

    def closing(self, item: Item) -> Iterator[Event]:
        """Yield what has not passed of `item`, which is finished."""
        if not self.begun:
            yield self._add(item)
        for kind, number, part in texts_of(item):
            yield from self.text_closing(kind, number, part, item)
        if not self.done:
            self.done = True
            yield {"type": "response.output_item.done", "output_index": self.index, "item": dict(item)}

    def text_closing(self, kind: TextKind, number: int, part: Item, item: Item, *, up_to: str = "") -> Iterator[Event]:
        """Yield what has not passed of a text, which is in `part`, up to the event of type `up_to`."""
        text = self._text(kind, number)
        text.part = {**text.part, **part} if kind.part else {}
        yield from self.part_opening(kind, number)
        whole = part.get(kind.member) or ""
        logprobs = {"logprobs": part.get("logprobs") or []} if kind is OUTPUT_TEXT else {}
        if not text.ended:
            if whole and not text.grown:
                text.grown = True
                yield self._about(f"{kind.event}.delta", kind, number, delta=whole, **logprobs)
            notes = part.get("annotations")
            for at, note in list(enumerate(notes if isinstance(notes, list) else ()))[len(text.notes) :]:
                text.notes.append(note)
                yield self._about(
                    "response.output_text.annotation.added", kind, number, annotation_index=at, annotation=note
                )
            if up_to == f"{kind.event}.done":
                return
            text.ended = True
            text.end(whole)
            named = {name: item.get(name) for name in kind.named}
            yield self._about(f"{kind.event}.done", kind, number, **{kind.member: whole}, **logprobs, **named)
        if kind.part and not text.closed and up_to != f"{kind.part_event}.done":
            text.closed = True
            yield self._about(f"{kind.part_event}.done", kind, number, part=dict(part))

    def result(self, status: str) -> Event | None:
        """Return the item as far as it is known, with this status if it was not done; None if no text is."""
        if self.done:
            return self.item
        item = dict(self.item)
        for (place, number), text in sorted(self._texts.items()):
            kind = text.kind
            if not kind.part:
                if item and (text.grown or text.ended):
                    item[place] = text.value
                continue
            parts = item.get(place)
            item[place] = parts = list(parts) if isinstance(parts, list) else []
            parts[number : number + 1] = [self.part(text)]
        if not item or not self._texts:
            return None
        item["status"] = status
        complete_item(item, status)
        return item

    def fill(self, item: Event) -> bool:
        """Put the texts that have passed into a finished item that lacks them; True if there were any."""
        filled = False
        if self.lost:
            return False
        known = self.result("completed") or {}
        for kind in TEXTS.get(str(item.get("type")), ()):
            place = kind.parts or kind.member
            if known.get(place) and not item.get(place):
                item[place] = known[place]
                filled = True
        return filled

    def part(self, text: Text) -> Event:
        """Return a part as far as it is known."""
        kind = text.kind
        known = {**text.part, "type": kind.part, kind.member: text.value}
        if text.notes and not known.get("annotations"):
            known["annotations"] = list(text.notes)
        complete_part(known)
        return known

    def _text(self, kind: TextKind, number: int) -> Text:
        place = (kind.parts or kind.member, number)
        text = self._texts.get(place)
        if text is None:
            text = self._texts[place] = Text(kind)
        return text

    def _add(self, item: Item) -> Event:
        self.begun = True
        return {"type": "response.output_item.added", "output_index": self.index, "item": _begun(item)}

    def _about(self, event: str, kind: TextKind, number: int, **members: Any) -> Event:
        where = {kind.counter: number} if kind.counter else {}
        return {"type": event, "item_id": self.id, "output_index": self.index, **where, **members}


def grow(index: int, item: Item) -> Iterator[Event]:
    """Yield all events of a finished item."""
    identity = item.get("id")
    return ItemGrowth(index, identity if isinstance(identity, str) else None).closing(item)


def _begun(item: Item) -> Event:
    """Return an item as it is when it is added."""
    begun = dict(item)
    if "status" in item:
        begun["status"] = "in_progress"
    item_type = str(item.get("type"))
    for kind in TEXTS.get(item_type, ()):
        member, nothing = (kind.parts, []) if kind.part else (kind.member, "")
        if member in item:
            begun[member] = nothing
    begun.update({name: value for name, value in _LATER.get(item_type, {}).items() if name in item})
    return begun


def _empty_part(kind: TextKind, part: Item) -> Event:
    """Return a part as it is when it is added."""
    empty = {"type": kind.part, **part, kind.member: ""}
    empty.update({name: [] for name in ("annotations", "logprobs") if empty.get(name)})
    complete_part(empty)
    return empty
