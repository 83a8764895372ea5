"""The input: every item in the form in which the Codex CLI sends it.

Strategy: one pass over the items, because a long conversation has thousands of them. It changes what needs a change,
leaves the rest alone and keeps the order. It collects every call id on the way, so that tool outputs without a call
and calls without an output are found without a second pass (see `orphan_outputs` and `interrupted_calls`).
"""

from bisect import bisect
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import describe_type
from codex_transform.request.call_ids import MAX_LENGTH, shorten
from codex_transform.request.changes import Changes
from codex_transform.request.interrupted_calls import find_interrupted, insert_outputs
from codex_transform.request.orphan_outputs import ORPHAN, find_orphans, orphan_text

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


def message(role: str, text: str) -> dict[str, Any]:
    """Return a message with one part of text, in full form."""
    return {"type": "message", "role": role, "content": [{"type": _text_type(role), "text": text}]}


def normalize_items(items: str | list[Any], changes: Changes) -> list[dict[str, Any]]:
    """Return the items to send for the client's `input`. A list is changed in place, and so are its items.

    Messages get a type and a list of parts, and the role `system` becomes `developer`, because the Codex backend has
    no system messages. Ids and item references are removed: they belong to a store that is not used. Call ids that are
    too long are shortened. An output without its call becomes a message, and a call without its output gets one. Raises
    ApiError 400, naming the item, for what is no item.
    """
    if isinstance(items, str):
        changes.note("changed", "input", _STRING)
        return [message("user", items)]
    altered = _Altered([], [], [], [], [])
    call_ids: defaultdict[str, list[str | None]] = defaultdict(list)
    references: list[int] = []
    for index, item in enumerate(items):
        if type(item) is not dict:
            raise bad_request(f"`input[{index}]` must be an object, not {describe_type(item)}", f"input[{index}]")
        kind = item.get("type")
        if kind is None or kind == "message":
            if "role" not in item and kind is None and _is_reference(item):
                references.append(index)
                continue
            items[index] = item = _normalize_message(item, index, altered)
        elif type(kind) is not str:
            raise _wrong(index, "type", "a string", kind)
        elif kind == "item_reference":
            references.append(index)
            continue
        else:
            call_id = item.get("call_id")
            if call_id is not None and type(call_id) is not str:
                raise _wrong(index, "call_id", "a string", call_id)
            if call_id is not None and len(call_id) > MAX_LENGTH:
                item["call_id"] = call_id = shorten(call_id)
                altered.call_ids.append(index)
            call_ids[kind].append(call_id)
        if "id" in item:
            del item["id"]
            altered.ids.append(index)
    if references:
        items = _without(references, items, altered)
        changes.note_items("removed", "", _REFERENCE, references)
    changes.note_items("changed", ".type", _FULL_FORM, altered.types)
    changes.note_items("changed", ".content", _FULL_FORM, altered.contents)
    changes.note_items("changed", ".role", _ROLE, altered.roles)
    changes.note_items("removed", ".id", _ID, altered.ids)
    changes.note_items("changed", ".call_id", _CALL_ID, altered.call_ids)
    return _pair(items, call_ids, changes)


def pair_calls(items: list[dict[str, Any]], changes: Changes) -> list[dict[str, Any]]:
    """Pair the calls and outputs of items that are in full form, in place: see `normalize_items`."""
    call_ids: defaultdict[str, list[str | None]] = defaultdict(list)
    for item in items:
        if item["type"] != "message":
            call_ids[item["type"]].append(item.get("call_id"))
    return _pair(items, call_ids, changes)


def _pair(
    items: list[dict[str, Any]], call_ids: Mapping[str, list[str | None]], changes: Changes
) -> list[dict[str, Any]]:
    if orphans := find_orphans(call_ids):
        for index, item in enumerate(items):
            if item.get("call_id") in orphans.get(item["type"], ()):
                items[index] = message("assistant", orphan_text(item))
                changes.note_items("changed", "", ORPHAN, (index,))
    if interrupted := find_interrupted(call_ids):
        insert_outputs(items, interrupted, changes)
    return items


def _without(references: list[int], items: list[dict[str, Any]], altered: _Altered) -> list[dict[str, Any]]:
    """Return `items` without the references, and renumber what was altered."""
    for indexes in altered:
        indexes[:] = [index - bisect(references, index) for index in indexes]
    dropped = set(references)
    return [item for index, item in enumerate(items) if index not in dropped]


def _is_reference(item: dict[str, Any]) -> bool:
    """Return whether it is an item reference without a type, which is an id alone (API reference, "Item reference")."""
    return type(item.get("id")) is str and item.keys() <= {"id", "type"}


def _normalize_message(item: dict[str, Any], index: int, altered: _Altered) -> dict[str, Any]:
    role, content = item.get("role"), item.get("content")
    if role is None and "type" not in item:
        raise bad_request(f"`input[{index}]` has neither `type` nor `role`", f"input[{index}]")
    if type(role) is not str:
        raise _wrong(index, "role", "a string", role)
    if type(content) is str:
        content = [{"type": _text_type(role), "text": content}]
        altered.contents.append(index)
    elif type(content) is not list:
        raise _wrong(index, "content", "a string or a list of parts", content)
    for part in content:
        if type(part) is not dict:
            position = next(position for position, each in enumerate(content) if each is part)
            raise _wrong(index, f"content[{position}]", "an object", part)
    if item.get("type") is None:
        altered.types.append(index)
        if "type" not in item:
            item = {"type": "message", **item}
    if role == "system":
        role = "developer"
        altered.roles.append(index)
    item["type"], item["role"], item["content"] = "message", role, content
    return item


def _text_type(role: str) -> str:
    return "output_text" if role == "assistant" else "input_text"


def _wrong(index: int, member: str, expected: str, value: object) -> ApiError:
    path = f"input[{index}].{member}"
    return bad_request(f"`{path}` must be {expected}, not {describe_type(value)}", path)
