"""The input: every item in the form in which the Codex CLI sends it.

Strategy: one pass over the items, because a long conversation has thousands of them. It changes what needs a change,
leaves the rest alone and keeps the order. It collects every call id on the way, so that tool outputs without a call
and calls without an output are found without a second pass (see `orphan_outputs` and `interrupted_calls`). No item is
looked at beside another in that pass: what it made of the items with which an earlier request began is taken over.
"""

from bisect import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import describe_type
from codex_transform.request.call_ids import MAX_LENGTH, shorten
from codex_transform.request.changes import Changes
from codex_transform.request.client_request import Items
from codex_transform.request.interrupted_calls import find_interrupted, insert_outputs
from codex_transform.request.orphan_outputs import ORPHAN, find_orphans, orphan_text
from codex_transform.request.raw_items import NO_ID, Item

_STRING = "A plain string becomes the user message that it stands for."
_REFERENCE = "The item is in a store that is not used."
_ID = "Ids belong to a store that is not used."
_FULL_FORM = "The full form, as the Codex CLI sends it."
_ROLE = "Codex endpoints have no system messages."
_CALL_ID = f"Codex endpoints reject call ids over {MAX_LENGTH} characters."


class _Altered(NamedTuple):
    """The indexes of items, by the member that is changed."""

    types: list[int]
    roles: list[int]
    contents: list[int]
    ids: list[int]
    call_ids: list[int]


class _Made(NamedTuple):
    """What became of a client's items, one for each: `items` in full form, and references, which are to be removed.

    `call_ids` are those of the items, by type. It is complete as it is, or continued as a copy.
    """

    items: list[Item]
    call_ids: dict[str, list[str | None]]
    references: list[int]
    altered: _Altered

    def copy(self) -> "_Made":
        call_ids = {kind: ids.copy() for kind, ids in self.call_ids.items()}
        return _Made(self.items.copy(), call_ids, self.references.copy(), _Altered(*map(list, self.altered)))


def message(role: str, text: str) -> dict[str, Any]:
    """Return a message with one part of text, in full form."""
    return {"type": "message", "role": role, "content": [{"type": _text_type(role), "text": text}]}


def normalize_items(items: str | Items, changes: Changes) -> list[Mapping[str, Any]]:
    """Return the items to send for the client's `input`.

    Messages get a type and a list of parts, and the role `system` becomes `developer`, because the Codex backend has
    no system messages. Ids and item references are removed: they belong to a store that is not used. Call ids that are
    too long are shortened. An output without its call becomes a message, and a call without its output gets one. Raises
    ApiError 400, naming the item, for what is no item.
    """
    if isinstance(items, str):
        changes.note("changed", "input", _STRING)
        return [message("user", items)]
    made = items.made.copy() if isinstance(items.made, _Made) else _Made([], {}, [], _Altered([], [], [], [], []))
    for index in range(len(made.items), len(items)):
        made.items.append(_full_form(items[index], index, made))
    items.made = made
    sent, altered = _without(made.references, made.items, made.altered)
    changes.note_items("removed", "", _REFERENCE, made.references)
    changes.note_items("changed", ".type", _FULL_FORM, altered.types)
    changes.note_items("changed", ".content", _FULL_FORM, altered.contents)
    changes.note_items("changed", ".role", _ROLE, altered.roles)
    changes.note_items("removed", ".id", _ID, altered.ids)
    changes.note_items("changed", ".call_id", _CALL_ID, altered.call_ids)
    return _pair(sent, made.call_ids, changes)


def pair_calls(items: list[Mapping[str, Any]], changes: Changes) -> list[Mapping[str, Any]]:
    """Pair the calls and outputs of items, in place: see `normalize_items`. Messages may be without a type."""
    call_ids: defaultdict[str, list[str | None]] = defaultdict(list)
    for item in items:
        if (kind := item.get("type", "message")) != "message":
            call_ids[kind].append(item.get("call_id"))
    return _pair(items, call_ids, changes)


def _pair(
    items: list[Mapping[str, Any]], call_ids: Mapping[str, list[str | None]], changes: Changes
) -> list[Mapping[str, Any]]:
    if orphans := find_orphans(call_ids):
        for index, item in enumerate(items):
            if item.get("call_id") in orphans.get(item.get("type", ""), ()):
                items[index] = message("assistant", orphan_text(item))
                changes.note_items("changed", "", ORPHAN, (index,))
    if interrupted := find_interrupted(call_ids):
        insert_outputs(items, interrupted, changes)
    return items


def _without(
    references: list[int], items: Sequence[Item], altered: _Altered
) -> tuple[list[Mapping[str, Any]], _Altered]:
    """Return the items without the references, and what was altered as they are numbered then."""
    if not references:
        return [*items], altered
    dropped = set(references)
    renumbered = ([index - bisect(references, index) for index in indexes] for indexes in altered)
    return [item for index, item in enumerate(items) if index not in dropped], _Altered(*renumbered)


def _full_form(item: Any, index: int, made: _Made) -> Item:
    """Return an item in full form: the item itself if it is already."""
    if type(item) is not Item:
        raise bad_request(f"`input[{index}]` must be an object, not {describe_type(item)}", f"input[{index}]")
    kind, call_id = item.type, item.call_id
    if kind is None or kind == "message":
        members = item.members
        if kind is None and _is_reference(members):
            made.references.append(index)
            return item
        completed = _complete_message(members, index, made.altered)
        if not completed and item.id is NO_ID:
            return item
        members = ({} if "type" in members else {"type": "message"}) | members | completed
    elif type(kind) is not str:
        raise _wrong(index, "type", "a string", kind)
    elif kind == "item_reference":
        made.references.append(index)
        return item
    else:
        if call_id is not None and type(call_id) is not str:
            raise _wrong(index, "call_id", "a string", call_id)
        sent_id = shorten(call_id) if call_id else call_id
        made.call_ids.setdefault(kind, []).append(sent_id)
        if sent_id is call_id and item.id is NO_ID:
            return item
        members = item.members
        if sent_id is not call_id:
            members["call_id"] = sent_id
            made.altered.call_ids.append(index)
    if item.id is not NO_ID:
        del members["id"]
        made.altered.ids.append(index)
    return Item.of(members)


def _is_reference(item: dict[str, Any]) -> bool:
    """Return whether it is an item reference without a type, which is an id alone (API reference, "Item reference")."""
    return type(item.get("id")) is str and item.keys() <= {"id", "type"}


def _complete_message(message: Mapping[str, Any], index: int, altered: _Altered) -> dict[str, Any]:
    """Return the members that a message has in full form in place of its own; none if it is in full form."""
    role, content = message.get("role"), message.get("content")
    completed: dict[str, Any] = {}
    if role is None and "type" not in message:
        raise bad_request(f"`input[{index}]` has neither `type` nor `role`", f"input[{index}]")
    if type(role) is not str:
        raise _wrong(index, "role", "a string", role)
    if type(content) is str:
        completed["content"] = [{"type": _text_type(role), "text": content}]
        altered.contents.append(index)
    elif type(content) is not list:
        raise _wrong(index, "content", "a string or a list of parts", content)
    else:
        for position, part in enumerate(content):
            if type(part) is not dict:
                raise _wrong(index, f"content[{position}]", "an object", part)
    if message.get("type") is None:
        completed["type"] = "message"
        altered.types.append(index)
    if role == "system":
        completed["role"] = "developer"
        altered.roles.append(index)
    return completed


def _text_type(role: str) -> str:
    return "output_text" if role == "assistant" else "input_text"


def _wrong(index: int, member: str, expected: str, value: object) -> ApiError:
    path = f"input[{index}].{member}"
    return bad_request(f"`{path}` must be {expected}, not {describe_type(value)}", path)
