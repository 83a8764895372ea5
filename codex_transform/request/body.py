"""Bytes to body and back.

Strategy: pydantic_core's JSON does the work, and where it gives up on JSON that is legal all the same (a surrogate
without its pair, which JavaScript writes when it cuts a text in two; deep nesting) the standard library takes
over. Legal JSON passes faithfully, and what is not legal, or would not survive, is answered with a 400 that says
where it lies. The JSON grammar is RFC 8259.
"""

import json
from math import isfinite
from typing import Any

from pydantic_core import PydanticSerializationError, SchemaSerializer, core_schema, from_json

from codex_transform.errors import ApiError, bad_request
from codex_transform.request.validate import kind_of

# Unlike to_json this remembers how large the last body was, which saves growing the buffer step by step.
_serializer = SchemaSerializer(core_schema.any_schema())

_DEEPEST = 500  # levels; well below the recursion limit of the standard library's encoder
_SMALL = 1 << 14  # bytes


def parse(content: bytes) -> dict[str, Any]:
    """The request body as a dictionary, fresh and free to be changed.

    Of duplicate keys the last one wins. Raises ApiError 400 for an empty body, broken JSON, invalid UTF-8, numbers
    out of range, nesting over 500 levels, and anything but an object. Numbers inside fields are looked at in small
    bodies only: the search would cost every request of a long conversation time, and no JSON encoder writes a
    number out of range. Inside a large body it becomes null, which is what JavaScript makes of it.
    """
    if not content or content.isspace():
        raise bad_request("the request body is empty; it must be a JSON object")
    try:
        body = from_json(content, allow_inf_nan=False)
    except ValueError as error:
        body, thorough = _parse_slowly(content, str(error)), True
    else:
        thorough = len(content) <= _SMALL
    if type(body) is not dict:
        raise bad_request(f"the request body must be a JSON object, not {kind_of(body)}")
    for name, value in body.items():
        if thorough or type(value) is float:
            _survey(name, value)
    return body


def dump(body: dict[str, Any]) -> bytes:
    """The body as compact JSON in UTF-8. A surrogate without its pair leaves as the escape that it came as."""
    try:
        return _serializer.to_json(body)
    except PydanticSerializationError:
        # "backslashreplace" writes a lone surrogate as \udXXX, which is JSON's own escape.
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def _parse_slowly(content: bytes, complaint: str) -> Any:
    """What the standard library makes of JSON that pydantic_core refused with `complaint`."""
    try:
        return json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise bad_request(f"the request body is not UTF-8: invalid byte at offset {error.start}") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise bad_request(f"the request body is not valid JSON: {error.msg} at {where}") from None
    except RecursionError:
        raise _too_deep(None) from None
    except ValueError:
        raise bad_request(f"the request body is not valid JSON: {complaint}") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _survey(name: str, value: Any) -> None:
    """Raises for a field whose value would not survive `dump`. Goes level by level, so depth cannot hurt."""
    level = [value]
    for _ in range(_DEEPEST):
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
    return bad_request(f"{field} is nested too deeply: {_DEEPEST} levels is the most", name)
