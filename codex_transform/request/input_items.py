"""The input: every item in the form in which the Codex CLI sends it.

Strategy: one pass over the items, because a long conversation has thousands. It changes what needs it, leaves the
rest alone, keeps the order, and takes note of every call id on the way, so that tool outputs whose call is gone
can be found without a second look (orphans.py says what becomes of them).
"""

from collections import defaultdict
from typing import Any

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import describe_type
from codex_transform.request.orphan_outputs import find_orphans, orphan_text


def message(role: str, text: str) -> dict[str, Any]:
    """Return a message with one part of text, in full form."""
    return {"type": "message", "role": role, "content": [{"type": _text_type(role), "text": text}]}


def normalize_items(given: str | list[Any]) -> list[dict[str, Any]]:
    """Return the items to send for what the client gave as `input`. A list is changed in place, and its items too.

    Messages get a type and a list of parts, and the role `system` becomes `developer`, for the Codex backend has no
    system messages. Ids and item references go: they point into a store that is not used. An output without its
    call becomes a message. Raises ApiError 400, naming the item, for what is no item at all.
    """
    if isinstance(given, str):
        return [message("user", given)]
    call_ids: defaultdict[str, list[str | None]] = defaultdict(list)
    references = set()
    for index, item in enumerate(given):
        if type(item) is not dict:
            raise bad_request(f"`input[{index}]` must be an object, not {describe_type(item)}", f"input[{index}]")
        kind = item.get("type")
        if kind is None or kind == "message":
            if "role" not in item and kind is None and _is_reference(item):
                references.add(index)
                continue
            given[index] = item = _normalize_message(item, index)
        elif type(kind) is not str:
            raise _wrong(index, "type", "a string", kind)
        elif kind == "item_reference":
            references.add(index)
        else:
            call_id = item.get("call_id")
            if call_id is not None and type(call_id) is not str:
                raise _wrong(index, "call_id", "a string", call_id)
            call_ids[kind].append(call_id)
        if "id" in item:
            del item["id"]
    if references:
        given = [item for index, item in enumerate(given) if index not in references]
    if orphans := find_orphans(call_ids):
        for index, item in enumerate(given):
            if item.get("call_id") in orphans.get(item["type"], ()):
                given[index] = message("assistant", orphan_text(item))
    return given


def _is_reference(item: dict[str, Any]) -> bool:
    """Return an item reference may leave out its type, so that only an id is left (API reference, "Item reference")."""
    return type(item.get("id")) is str and item.keys() <= {"id", "type"}


def _normalize_message(item: dict[str, Any], index: int) -> dict[str, Any]:
    role, content = item.get("role"), item.get("content")
    if role is None and "type" not in item:
        raise bad_request(f"`input[{index}]` has neither `type` nor `role`", f"input[{index}]")
    if type(role) is not str:
        raise _wrong(index, "role", "a string", role)
    if type(content) is str:
        content = [{"type": _text_type(role), "text": content}]
    elif type(content) is not list:
        raise _wrong(index, "content", "a string or a list of parts", content)
    for part in content:
        if type(part) is not dict:
            at = next(at for at, each in enumerate(content) if each is part)
            raise _wrong(index, f"content[{at}]", "an object", part)
    if "type" not in item:
        item = {"type": "message", **item}
    item["type"], item["role"], item["content"] = "message", "developer" if role == "system" else role, content
    return item


def _text_type(role: str) -> str:
    return "output_text" if role == "assistant" else "input_text"


def _wrong(index: int, member: str, expected: str, value: object) -> ApiError:
    path = f"input[{index}].{member}"
    return bad_request(f"`{path}` must be {expected}, not {describe_type(value)}", path)
