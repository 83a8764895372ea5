"""JSON in and out, the text of a surrogate without its pair included.

Strategy: the fast library first. It refuses such a surrogate, which is legal JSON (RFC 8259 section 8.2) and does come
from clients that cut a text in the middle of an emoji; then the standard library takes over.
"""

import json
from typing import Any, NoReturn

from pydantic_core import PydanticSerializationError, from_json, to_json


def load(content: bytes) -> Any:
    """Parse UTF-8 JSON. Raises ValueError if it is none, for NaN and infinities too."""
    try:
        return from_json(content, allow_inf_nan=False)
    except ValueError:
        try:
            return json.loads(content.decode(), parse_constant=_refuse)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def dump(value: object, indent: int | None = None) -> bytes:
    """JSON as UTF-8. What UTF-8 cannot carry stays an escape."""
    try:
        return to_json(value, indent=indent)
    except PydanticSerializationError:
        return json.dumps(value, indent=indent).encode()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
