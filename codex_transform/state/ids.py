"""Ids of stored objects, and of items that a client sent without one.

Such an item has an id by its place: that of its response, and its index. So it can be found again without an index.
"""

import re
import uuid

_INPUT_ITEM = re.compile(r"[a-z]+_(?P<response>[0-9a-f]{32})_(?P<index>\d{1,6})")
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


def new_id(prefix: str) -> str:
    """Return a new id, such as `resp_…`, which nobody can guess."""
    return f"{prefix}_{uuid.uuid4().hex}"


def input_item_id(response_id: str, index: int, kind: str) -> str:
    """Return the id of an input item of a stored response."""
    return f"{_PREFIXES.get(kind, 'item')}_{response_id.rpartition('_')[2]}_{index}"


def input_item_place(item_id: str) -> tuple[str, int] | None:
    """Return the response and the index that an id of `input_item_id` stands for; None for any other id."""
    match = _INPUT_ITEM.fullmatch(item_id)
    return (f"resp_{match['response']}", int(match["index"])) if match else None
