"""How an output item grows, event by event: the one description that whoever reads or writes a stream goes by.

Strategy: an item is opened, its texts grow by deltas, and it is done. `TEXTS` says for each type of item where its
texts are and what their events are called. `ItemGrowth` notes what has passed of one item, and `closing` yields what
has not: of an item of which nothing has passed, that is all of it. Names, order and members as in the OpenAI API
reference, "Responses / Streaming events". A text that has not passed is one delta: it is all there already.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from codex_transform.response.delta_template import joined_deltas, read_deltas
from codex_transform.response.item_members import complete_item, complete_part

Event = dict[str, Any]
Item = Mapping[str, Any]


class TextKind(NamedTuple):
    """One kind of text: what its events are called, and where it is.

    `event` and `member` are for both: events `<event>.delta`, and `<event>.done` with the whole text in `member`. A
    text is the member of an item that has no `parts`; else it is that of a part of type `part`, listed in the item's
    member `parts`, which the event's member `counter` counts, with the events `<part_event>.added` and `.done`. `named`
    are members of the item that its last event repeats.
    """

    event: str
    member: str
    parts: str = ""
    part: str = ""
    counter: str = ""
    part_event: str = ""
    named: tuple[str, ...] = ()


def _content(event: str, member: str, part: str) -> TextKind:
    return TextKind(event, member, "content", part, "content_index", "response.content_part")


_SUMMARY = TextKind(
    "response.reasoning_summary_text",
    "text",
    "summary",
    "summary_text",
    "summary_index",
    "response.reasoning_summary_part",
)
_OUTPUT_TEXT = _content("response.output_text", "text", "output_text")

# The texts of items, by type. Items of other types appear whole.
TEXTS: dict[str, tuple[TextKind, ...]] = {
    "message": (_OUTPUT_TEXT, _content("response.refusal", "refusal", "refusal")),
    "reasoning": (_SUMMARY, _content("response.reasoning_text", "text", "reasoning_text")),
    "function_call": (TextKind("response.function_call_arguments", "arguments", named=("name",)),),
    "custom_tool_call": (TextKind("response.custom_tool_call_input", "input"),),
    "mcp_call": (TextKind("response.mcp_call_arguments", "arguments"),),
}

# What an item has none of at first, besides its texts.
_LATER: dict[str, Item] = {"reasoning": {"encrypted_content": None}, "mcp_call": {"output": None}}

_ALL = [(item_type, kind) for item_type, kinds in TEXTS.items() for kind in kinds]

# The kind of text that an event is about, and the type of item, by the event's type.
OF_TEXT = {f"{kind.event}.{end}": (item_type, kind) for item_type, kind in _ALL for end in ("delta", "done")}
OF_TEXT["response.output_text.annotation.added"] = ("message", _OUTPUT_TEXT)
OF_PART = {
    (f"{kind.part_event}.{end}", kind.part): (item_type, kind)
    for item_type, kind in _ALL
    if kind.part
    for end in ("added", "done")
}
PART_EVENTS = frozenset(event for event, _ in OF_PART)

# Items that can be opened before anything is known of them but their texts.
_OPENED_BY_TEXT = frozenset({"message", "reasoning"})

# Bytes of deltas that are kept as they came.
_MOST_UNREAD = 1 << 16


class Text:
    """What has passed of one text: the opening of its part, deltas, the whole text, the end of its part.

    `part` is the part as the last event told it, `notes` are the annotations. `size` is how much is kept of the deltas.
    With `lost`, the text is too long to be kept, and nobody has told it since.
    """

    def __init__(self, kind: TextKind) -> None:
        self.kind = kind
        self.opened = self.grown = self.ended = self.closed = False
        self.part: Event = {}
        self.notes: list[Any] = []
        self.size = 0
        self.lost = False
        self._whole: str | None = None
        self._pieces: list[str | bytes] = []
        self._unread: list[bytes] = []
        self._unread_size = 0

    def grow(self, delta: str) -> None:
        """Take a delta, whether it has passed or is withheld."""
        self._read()
        self._pieces.append(delta)
        self.size += len(delta)

    def grow_unread(self, events: bytes) -> None:
        """Take events with deltas that have passed unparsed."""
        self._unread.append(events)
        self._unread_size += len(events)
        if self._unread_size > _MOST_UNREAD:
            self._read()

    def end(self, whole: Any) -> None:
        """Take the whole text, if it is one: the deltas are needed no more."""
        if isinstance(whole, str):
            self.forget()
            self._whole, self.lost = whole, False

    def lose(self) -> None:
        """Forget the text: there is no room for it."""
        self.forget()
        self.lost = True

    def forget(self) -> None:
        """Forget what the text is."""
        self._whole = None
        self._pieces.clear()
        self._unread.clear()
        self._unread_size = self.size = 0

    @property
    def value(self) -> str:
        """The text as far as it is known."""
        if self._whole is not None:
            return self._whole
        self._read()
        return "".join(read_deltas(piece) if isinstance(piece, bytes) else piece for piece in self._pieces)

    def _read(self) -> None:
        if self._unread:
            written = b"".join(map(joined_deltas, self._unread))
            self._pieces.append(written)
            self.size += len(written)
            self._unread.clear()
            self._unread_size = 0


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
        for kind, number, part in _texts_of(item):
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
        for kind, number, part in _texts_of(item):
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
        logprobs = {"logprobs": part.get("logprobs") or []} if kind is _OUTPUT_TEXT else {}
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


def _texts_of(item: Item) -> Iterator[tuple[TextKind, int, Item]]:
    """Yield the texts of a finished item in the order in which they grow: their kinds, numbers, and where they are."""
    kinds = TEXTS.get(str(item.get("type")), ())
    for place in dict.fromkeys(kind.parts for kind in kinds):
        of_place = [kind for kind in kinds if kind.parts == place]
        if not place:
            yield of_place[0], 0, item
            continue
        parts = item.get(place)
        for number, part in enumerate(parts if isinstance(parts, list) else ()):
            if isinstance(part, dict):
                kind = next((kind for kind in of_place if kind.part == part.get("type")), None)
                if kind:
                    yield kind, number, part
