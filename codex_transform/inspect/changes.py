"""What changed in a request, line by line, with the reasons.

Strategy: the reasons were noted when the changes were made; the bodies add the values, where they are kept. A field
that differs without a note was changed by somebody else.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from codex_transform.inspect.items import describe
from codex_transform.inspect.text import wrapped
from codex_transform.request.changes import Action, Change
from codex_transform.text import format_count, one_line

CHANGED_ELSEWHERE = "Not changed by codex-transform, but by another addon or by hand."

_MAX_VALUE = 160
_MAX_REASON = 400
_MAX_CHANGES = 100

_ABSENT: Any = object()
_SIGNS: Mapping[Action, str] = {"added": "+", "removed": "-", "changed": "~"}

# A sent item that is new as a whole, or whose text is another; a change of its form is no news to a reader.
_ITEM = re.compile(r"input\[(\d{1,9})\]")
_ITEM_TEXT = re.compile(_ITEM.pattern + r"(?:\.content\[\*\].*)?")


def change_lines(
    notes: Sequence[Change] | None, original: Mapping[str, Any] | None, sent: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the lines for the changes that are noted, and for differences between the two bodies without a note.

    `notes` is None if none were taken, and `original`, the client's body, if it is not kept.
    """
    noted = notes or ()
    differences = [] if original is None else _differences(noted, original, sent)
    for change in noted[:_MAX_CHANGES]:
        yield from _noted(change, original or {}, sent)
    for name in differences[: _MAX_CHANGES - len(noted[:_MAX_CHANGES])]:
        before, after = (original or {}).get(name, _ABSENT), sent.get(name, _ABSENT)
        action: Action = "added" if before is _ABSENT else "removed" if after is _ABSENT else "changed"
        yield from _lines(action, name, [before, after], "" if notes is None else CHANGED_ELSEWHERE)
    if (more := len(noted) + len(differences) - _MAX_CHANGES) > 0:
        yield f"[cut: {format_count(more, 'more change')}]"


def item_marks(notes: Sequence[Change]) -> dict[int, str]:
    """Return what is new (+) or has another text (~), by the index of the item that was sent.

    Items that were changed alike are not marked: their notes do not have the indexes.
    """
    marks: dict[int, str] = {}
    for change in notes:
        if change.action != "removed" and (match := _ITEM_TEXT.fullmatch(change.path)):
            index, sign = int(match[1]), _SIGNS[change.action]
            marks[index] = "+" if "+" in (sign, marks.get(index)) else sign
    return marks


def _differences(notes: Sequence[Change], original: Mapping[str, Any], sent: Mapping[str, Any]) -> list[str]:
    """Return the fields that differ without a note."""
    noted = {re.split(r"[.\[]", change.path, maxsplit=1)[0] for change in notes}
    return [
        name
        for name in dict.fromkeys((*original, *sent))
        if name not in noted and not _same(original.get(name, _ABSENT), sent.get(name, _ABSENT))
    ]


def _noted(change: Change, original: Mapping[str, Any], sent: Mapping[str, Any]) -> Iterator[str]:
    values: list[Any] = []
    if change.path.startswith("input[*]"):
        yield from _lines(change.action, f"{change.path}: {format_count(change.count, 'item')}", (), change.reason)
        return
    if match := _ITEM.fullmatch(change.path):
        items = sent.get("input")
        values = [_summary(item) for item in items[int(match[1]) :][:1]] if isinstance(items, list) else []
    elif "[" not in change.path:
        before = _ABSENT if change.action == "added" else _lookup(original, change.path)
        after = _ABSENT if change.action == "removed" else _lookup(sent, change.path)
        values = [before, after]
    yield from _lines(change.action, change.path, values, change.reason)


def _lines(action: Action, path: str, values: Sequence[Any], reason: str) -> Iterator[str]:
    shown = " → ".join(_shown(value) for value in values if value is not _ABSENT)
    yield from wrapped(f"{path}: {shown}" if shown else path, "    ", f"{_SIGNS[action]} ")
    if reason:
        yield from wrapped(one_line(reason, _MAX_REASON), "    ")


def _lookup(body: Mapping[str, Any], path: str) -> Any:
    value: Any = body
    for name in path.split("."):
        value = value.get(name, _ABSENT) if isinstance(value, Mapping) else _ABSENT
    return value


def _summary(item: Any) -> str:
    title, text, notes, _ = describe(item)
    return ", ".join((title, *([format_count(len(text), "character")] if text or not notes else []), *notes))


def _shown(value: Any) -> str:
    if isinstance(value, str):
        length = f"{format_count(len(value), 'character')}: {one_line(value, 40)}"
        return one_line(value, _MAX_VALUE) if len(value) <= _MAX_VALUE else length
    if isinstance(value, list) and (len(value) > 8 or any(isinstance(each, dict) for each in value)):
        return format_count(len(value), "item")
    return one_line(json.dumps(value, ensure_ascii=False), _MAX_VALUE)


def _same(before: Any, after: Any) -> bool:
    return before is after or (type(before) is type(after) and bool(before == after))
