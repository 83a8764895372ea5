"""Items, and members of items, that the endpoint names in `param` or in its message."""

from collections.abc import Mapping
from typing import Any

from codex_transform.attempts.edits import DropItems, DropMember, Edit, ReplaceAttachments, digest
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.json_path import Path, find, holds
from codex_transform.attempts.rule import INVALID, NOT_THE_FORM, UNKNOWN_PARAMETER, Sent, words

# A text that is too long, a policy, a call without its output: leaving something out would not cure these.
_NO_CURE = r"above.max.length|string too long|too long|No tool (call|output) found|context window|policy"

# Without these an item is not what it was.
_ESSENTIAL = frozenset(
    {
        "arguments", "call_id", "content", "file_data", "file_id", "file_url", "image_url", "input", "name", "output",
        "role", "summary", "text", "type",
    }
)  # fmt: skip
_MESSAGE = ("type", "role", "content")
_TEXTS = ("input_text", "output_text", "refusal")

# Types that every endpoint knows: it is this item that is wrong, not its type.
_PAIRED = ("function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output")


def refused_item(failure: Failure, sent: Sent) -> Edit | None:
    """Leave out the item, or the member of one, that the endpoint names; a message keeps its text."""
    path = failure.input_path
    items = sent.body["input"]
    if (
        failure.status not in INVALID
        or not path
        or not isinstance(path[0], int)
        or path[0] >= len(items)
        or failure.code in NOT_THE_FORM
        or words(_NO_CURE).search(f"{failure.code} {failure.message}")
    ):
        return None
    item, inside = items[path[0]], path[1:]
    kind = item.get("type") or "message"
    if not isinstance(kind, str):
        return None
    if inside and isinstance(inside[-1], str) and inside[-1] not in _ESSENTIAL and holds(item, inside):
        return DropMember(kind, tuple("*" if isinstance(step, int) else step for step in inside))
    if kind != "message":
        return _without_items(item, inside, unknown=failure.code in UNKNOWN_PARAMETER)
    if len(inside) >= 2 and inside[0] == "content":
        part = find(item, inside[:2])
        if isinstance(part, dict) and part.get("type") not in _TEXTS:
            why = f"the endpoint refused it ({failure.brief})"
            return ReplaceAttachments(frozenset({digest(part)}), why)
        return None
    extra = next((name for name in item if name not in _MESSAGE), None)
    return DropMember(kind, (extra,)) if extra and not inside else None


def _without_items(item: Mapping[str, Any], inside: Path, *, unknown: bool) -> Edit:
    """Leave out the items that are as wrong as this one: those of its type, if that is wrong, or with the same value.

    `unknown` is true if the endpoint does not know the member at all.
    """
    kind = item["type"]
    path = () if unknown or find(item, inside) is None else inside
    if path in ((), ("type",)):
        path = inside if unknown and kind in _PAIRED else () if kind in _PAIRED else ("type",)
    return DropItems(kind, path, digest(find(item, path)))
