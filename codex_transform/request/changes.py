"""What a transformation changed in a request, and why, noted at the moment of the change.

Strategy: the steps set and remove fields through `Changes`, which notes what makes a difference and nothing else, so
a request that needs no change costs no notes. Notes become `Change` objects only when somebody reads them. A long
conversation has thousands of items that need the same change: their notes are one list of indexes, and later one
`Change` with a count. So the number of changes is bounded by the code of the steps, whatever a request holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Action = Literal["added", "removed", "changed"]

EMPTY = "An empty field means the same as an absent one."
FROM_CONFIGURATION = "Set by OpenCode's configuration."

_ABSENT: Any = object()
_ITEM_REMOVED = ("removed", "")  # the key of whole items, which have no index among those that are sent


@dataclass(frozen=True, slots=True)
class Change:
    """One change in a request, or `count` changes of the same kind.

    `path` is in OpenAI's dotted form: `reasoning.effort`, `input[3].id`. An index counts the items that are sent.
    `[*]` stands for several items, and for items that are not sent. `reason` is a sentence.
    """

    action: Action
    path: str
    reason: str
    count: int = 1


class Changes:
    """The changes in one request, noted as the steps make them."""

    def __init__(self) -> None:
        self._fields: dict[str, tuple[Action, str]] = {}
        self._items: dict[tuple[Action, str, str], list[int]] = {}

    def set_field(self, holder: dict[str, Any], path: str, value: Any, reason: str) -> None:
        """Set the field of `holder` that `path` ends in; None removes it."""
        name = path.rpartition(".")[2]
        before = holder.get(name, _ABSENT)
        if value is None:
            if before is not _ABSENT:
                del holder[name]
                self.note("removed", path, reason)
        elif type(before) is not type(value) or before != value:
            holder[name] = value
            self.note("added" if before is _ABSENT else "changed", path, reason)

    def note(self, action: Action, path: str, reason: str) -> None:
        """Note a change in a field outside of the items. A later note on the same field replaces an earlier one."""
        if action == "added" and path in self._fields:
            action = "changed"  # an earlier step removed it
        self._fields[path] = action, reason

    def note_items(self, action: Action, member: str, reason: str, indexes: Sequence[int]) -> None:
        """Note a change in `member` of the items that are at `indexes` now. The member "" is the item itself."""
        if indexes:
            self._items.setdefault((action, member, reason), []).extend(indexes)

    def insert_item(self, items: list[Mapping[str, Any]], index: int, item: Mapping[str, Any], reason: str) -> None:
        """Insert an item into `items`."""
        items.insert(index, item)
        self._renumber(index, 1)
        self.note_items("added", "", reason, (index,))

    def delete_item(self, items: list[Mapping[str, Any]], index: int, reason: str) -> None:
        """Delete an item from `items`. Changes to it alone no longer count; nor does its insertion."""
        del items[index]
        inserted = False
        for key, indexes in list(self._items.items()):
            action, member, _ = key
            if indexes == [index] and (action, member) != _ITEM_REMOVED:
                del self._items[key]
                inserted = inserted or action == "added"
        self._renumber(index + 1, -1)
        if not inserted:
            self.note_items("removed", "", reason, (index,))

    def collect(self) -> tuple[Change, ...]:
        """Return all changes: those of fields in the order of the steps, then those of items."""
        return (
            *(Change(action, path, reason) for path, (action, reason) in self._fields.items()),
            *(
                Change(
                    action,
                    f"input[{'*' if len(indexes) > 1 or (action, member) == _ITEM_REMOVED else indexes[0]}]{member}",
                    reason,
                    len(indexes),
                )
                for (action, member, reason), indexes in self._items.items()
            ),
        )

    def _renumber(self, first: int, by: int) -> None:
        """Follow a change in the number of items: those from `first` on have moved."""
        for indexes in self._items.values():
            # The indexes of a larger group are never shown.
            if len(indexes) == 1 and indexes[0] >= first:
                indexes[0] += by
