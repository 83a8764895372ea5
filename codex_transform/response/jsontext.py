"""JSON as endpoints write it: pydantic's fast parser first, the forgiving standard library where that one refuses.

A relay that cuts text by UTF-16 units writes half a surrogate pair as an escape, and one that cuts it by bytes leaves
invalid UTF-8. Clients read both, so an event that holds them must not become unreadable here.
"""

import json
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json


def read(text: bytes) -> Any:
    """The value of a JSON text. Raises ValueError when it is none."""
    try:
        return from_json(text)
    except ValueError:
        try:
            return json.loads(text.decode(errors="replace"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def read_object(text: bytes) -> dict[str, Any] | None:
    """The JSON object that `text` is, None when it is something else."""
    try:
        value = read(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def write(value: Any) -> bytes:
    """`value` as a JSON text without line breaks."""
    try:
        return to_json(value)
    except (PydanticSerializationError, ValueError):
        return json.dumps(value).encode()
