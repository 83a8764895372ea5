"""JSON, in and out: pydantic_core's fast parser first, the standard library where that one refuses legal JSON.

pydantic_core refuses what real programs write all the same: half of a surrogate pair (JavaScript and relays leave one
when they cut a text in two; RFC 8259 section 8.2 allows it as an escape), deep nesting, invalid UTF-8. Every other
module reads and writes JSON through this one, so that none of them fails on such a text where another does not.
"""

import json
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any

from pydantic_core import PydanticSerializationError, SchemaSerializer, core_schema, from_json

from codex_transform.errors import ApiError, bad_request

TYPE_NAMES: dict[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    dict: "an object",
    list: "a list",
    type(None): "null",
}
"""How a message names the type of a JSON value."""

# Unlike to_json this remembers how large the last body was, which saves growing the buffer step by step.
_serializer = SchemaSerializer(core_schema.any_schema())

_MAX_DEPTH = 500  # levels; well below the recursion limit of the standard library's encoder
FULL_CHECK_LIMIT = 1 << 14
"""Bytes of a body in which every number is looked at."""


def parse_request(content: bytes, *, part: bool = False) -> dict[str, Any]:
    """Return the request body as a dictionary, fresh and free to be changed.

    Of duplicate keys the last one wins. Raises ApiError 400 for an empty body, broken JSON, invalid UTF-8, numbers
    out of range, nesting over 500 levels, and anything but an object. Numbers inside fields are looked at in small
    bodies only: the search would cost every request of a long conversation time, and no JSON encoder writes a
    number out of range. In a large body it becomes null, which is what JavaScript makes of it, except in items that
    are sent as the client wrote them. `part` is for a part of a body, whose numbers are not looked at once more.
    """
    if not content or content.isspace():
        raise bad_request("the request body is empty; it must be a JSON object")
    try:
        body = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        body, thorough = _parse_leniently(content, str(error)), True
    else:
        thorough = not part and len(content) <= FULL_CHECK_LIMIT
    if type(body) is not dict:
        raise bad_request(f"the request body must be a JSON object, not {describe_type(body)}")
    for name, value in body.items():
        if thorough or type(value) is float:
            _check_depth_and_numbers(name, value)
    return body


def loads(text: bytes | str) -> Any:
    """Parse JSON as endpoints write it; invalid UTF-8 becomes replacement characters. Raises ValueError for no JSON."""
    try:
        return from_json(text)
    except ValueError:
        try:
            return json.loads(text if isinstance(text, str) else text.decode(errors="replace"))
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def loads_object(text: bytes | str) -> dict[str, Any] | None:
    """Parse a JSON object as endpoints write it; None for anything else."""
    try:
        value = loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def loads_strict(text: bytes) -> Any:
    """Parse JSON by the letter of RFC 8259. Raises ValueError for invalid UTF-8, NaN and infinities too."""
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError:
        try:
            return json.loads(text.decode(), parse_constant=_reject_constant)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


def dumps(value: object, indent: int | None = None) -> bytes:
    """Return `value` as JSON in UTF-8, compact unless indented. Half of a surrogate pair leaves as its escape.

    Any mapping is an object.
    """
    try:
        return _serializer.to_json(value, indent=indent, fallback=dict)
    except (PydanticSerializationError, ValueError):
        separators = (",", ":") if indent is None else None
        text = json.dumps(value, ensure_ascii=False, indent=indent, separators=separators, default=dict)
        # "backslashreplace" writes a lone surrogate as \udXXX, which is JSON's own escape.
        return text.encode("utf-8", "backslashreplace")


def to_plain(value: object) -> Any:
    """Return dataclasses as JSON has them, as deep as they go: objects and lists of plain values."""
    if is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    return [to_plain(each) for each in value] if isinstance(value, tuple) else value


def text_or_none(value: object) -> str | None:
    """Return a value that is a text and not empty, None for any other."""
    return value if isinstance(value, str) and value else None


def describe_type(value: object) -> str:
    """Return the type of a JSON value in words, for a message: `a string`, `true or false`."""
    return TYPE_NAMES.get(type(value), type(value).__name__)


def _parse_leniently(content: bytes, complaint: str) -> Any:
    """Return what the standard library makes of JSON that pydantic_core refused with `complaint`."""
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_reject_constant)
    except UnicodeDecodeError as error:
        raise bad_request(f"the request body is not UTF-8: invalid byte at offset {error.start}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise bad_request(f"the request body is not valid JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise _too_deep(None) from None
    except ValueError:
        raise bad_request(f"the request body is not valid JSON: {complaint}") from None


def _reject_constant(name: str) -> Any:
    raise ValueError(name)


def _check_depth_and_numbers(name: str, value: Any) -> None:
    """Raise for a field whose value would not survive `dump`. Goes level by level, so depth cannot hurt."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is dict:
                inner.extend(each.values())
            elif kind is list:
                inner.extend(each)
            elif kind is float and not isfinite(each):
                raise bad_request(f"a number in `{name}` is out of range", name)
        if not inner:
            return
        level = inner
    raise _too_deep(name)


def _too_deep(name: str | None) -> ApiError:
    field = f"`{name}`" if name else "the request body"
    return bad_request(f"{field} is nested too deeply: {_MAX_DEPTH} levels is the most", name)
