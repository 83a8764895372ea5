"""The texts of output items: for each type of item where they are, and what the events are called by which they grow.

Names, order and members as in the OpenAI API reference, "Responses / Streaming events".
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


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
OUTPUT_TEXT = _content("response.output_text", "text", "output_text")

# The texts of items, by type. Items of other types appear whole.
TEXTS: dict[str, tuple[TextKind, ...]] = {
    "message": (OUTPUT_TEXT, _content("response.refusal", "refusal", "refusal")),
    "reasoning": (_SUMMARY, _content("response.reasoning_text", "text", "reasoning_text")),
    "function_call": (TextKind("response.function_call_arguments", "arguments", named=("name",)),),
    "custom_tool_call": (TextKind("response.custom_tool_call_input", "input"),),
    "mcp_call": (TextKind("response.mcp_call_arguments", "arguments"),),
}

_ALL = [(item_type, kind) for item_type, kinds in TEXTS.items() for kind in kinds]

# The kind of text that an event is about, and the type of item, by the event's type.
OF_TEXT = {f"{kind.event}.{end}": (item_type, kind) for item_type, kind in _ALL for end in ("delta", "done")}
OF_TEXT["response.output_text.annotation.added"] = ("message", OUTPUT_TEXT)
OF_PART = {
    (f"{kind.part_event}.{end}", kind.part): (item_type, kind)
    for item_type, kind in _ALL
    if kind.part
    for end in ("added", "done")
}
PART_EVENTS = frozenset(event for event, _ in OF_PART)


def texts_of(item: Mapping[str, Any]) -> Iterator[tuple[TextKind, int, Mapping[str, Any]]]:
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
