"""The top level of a request body: which fields it must have, and the type of each.

Strategy: check by name, once, what the later steps rely on, and nothing more. Fields that no step reads pass
unchecked, and so do the members of items: the endpoint knows best what it accepts. An optional field that is null
counts as absent and is removed. Types as in OpenAI's API reference, "Create a model response".
"""

from typing import Any

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import TYPE_NAMES, describe_type
from codex_transform.request.changes import Changes

_OPTIONAL: tuple[tuple[str, type], ...] = (
    ("instructions", str),
    ("stream", bool),
    ("include", list),
    ("tools", list),
    ("reasoning", dict),
    ("text", dict),
    ("prompt_cache_key", str),
)
_MEMBERS: tuple[tuple[str, str, type], ...] = (
    ("reasoning", "effort", str),
    ("reasoning", "summary", str),
    ("text", "verbosity", str),
)
_NULL = "null means the same as leaving the field out."
_ELEMENTS: tuple[tuple[str, type], ...] = (("include", str), ("tools", dict))


def require_fields(body: dict[str, Any]) -> None:
    """Raise ApiError 400, naming the field, for a body without a model or an input."""
    model = body.get("model")
    if model is None:
        raise bad_request("`model` is missing: name the model to use", "model")
    _expect(model, str, "model")
    if not model.strip():
        raise bad_request("`model` is blank: name the model to use", "model")
    items = body.get("input")
    if items is None:
        raise bad_request("`input` is missing: it must be a string or a list of items", "input")
    if not isinstance(items, str | list):
        raise bad_request(f"`input` must be a string or a list of items, not {describe_type(items)}", "input")


def validate(body: dict[str, Any], changes: Changes) -> None:
    """Raise ApiError 400, naming the field, for a body that no step could work on. Remove nulls."""
    require_fields(body)
    for name, kind in _OPTIONAL:
        _check_optional(body, name, kind, name, changes)
    for name, member, kind in _MEMBERS:
        if name in body:
            _check_optional(body[name], member, kind, f"{name}.{member}", changes)
    for name, kind in _ELEMENTS:
        for index, value in enumerate(body.get(name, ())):
            if type(value) is not kind:
                raise _wrong(value, kind, f"{name}[{index}]")


def _check_optional(holder: dict[str, Any], name: str, kind: type, path: str, changes: Changes) -> None:
    if name not in holder:
        return
    if holder[name] is None:
        changes.set_field(holder, path, None, _NULL)
    else:
        _expect(holder[name], kind, path)


def _expect(value: object, kind: type, path: str) -> None:
    if type(value) is not kind:
        raise _wrong(value, kind, path)


def _wrong(value: object, kind: type, path: str) -> ApiError:
    return bad_request(f"`{path}` must be {TYPE_NAMES[kind]}, not {describe_type(value)}", path)
