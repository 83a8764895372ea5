"""The members that the specification requires of output items and their parts, put in where they are missing.

What can be neither known nor made up, such as the name of a function, stays missing.
"""

from typing import Any

Members = dict[str, Any]

# How the OpenAI API's own ids begin, by item type.
_ID_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "local_shell_call": "lsh",
    "web_search_call": "ws",
    "image_generation_call": "ig",
}

# Items that the API reference gives a `status`; clients take a tool call for finished by it.
_WITH_STATUS = frozenset({"message", "function_call", "custom_tool_call", "local_shell_call", "web_search_call"})

# By item type: what is there from the beginning.
_AT_LEAST: dict[str, Members] = {
    "message": {"role": "assistant", "content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
}

# By the type of a part.
_PART_AT_LEAST: dict[str, Members] = {
    "output_text": {"text": "", "annotations": [], "logprobs": []},
    "refusal": {"refusal": ""},
    "summary_text": {"text": ""},
    "reasoning_text": {"text": ""},
}


def made_up_id(item_type: object, index: int) -> str:
    """Return an id for an item that has none."""
    return f"{_ID_PREFIXES.get(str(item_type), 'item')}_{index}"


def needs_status(item: Members) -> bool:
    """Return True for an item that lacks a status and should have one."""
    return not item.get("status") and str(item.get("type")) in _WITH_STATUS


def complete_item(item: Members, status: str) -> bool:
    """Put into an item what it lacks, in place; `status` is how far it is. Return whether it lacked anything."""
    changed = False
    if needs_status(item):
        item["status"] = status
        changed = True
    changed |= _fill(item, _AT_LEAST.get(str(item.get("type"))))
    for place in ("content", "summary"):
        parts = item.get(place)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                changed |= complete_part(part)
    return changed


def complete_part(part: Members) -> bool:
    """Put into a part of an item what it lacks, in place. Return whether it lacked anything."""
    return _fill(part, _PART_AT_LEAST.get(str(part.get("type"))))


def _fill(members: Members, at_least: Members | None) -> bool:
    changed = False
    for name, value in at_least.items() if at_least else ():
        if members.get(name) is None:
            members[name] = list(value) if isinstance(value, list) else value
            changed = True
    return changed
