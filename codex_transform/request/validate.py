"""The top level of a request body: which fields must be there and what type each one has.

Strategy: check by name what the steps after this rely on, once, and nothing more. Fields that no step reads pass
unseen, and so do the insides of items: the endpoint knows best what it accepts. An optional field that is null
counts as absent and is taken out. Types as in OpenAI's API reference, "Create a model response".
"""

from typing import Any

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import TYPE_NAMES, describe_type

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
_ELEMENTS: tuple[tuple[str, type], ...] = (("include", str), ("tools", dict))


def validate(body: dict[str, Any]) -> None:
    """Raise ApiError 400, naming the field, for a body that no step could work on. Takes out nulls."""
    model = body.get("model")
    if model is None:
        raise bad_request("`model` is missing: name the model to use", "model")
    _expect(model, str, "model")
    if not model.strip():
        raise bad_request("`model` is blank: name the model to use", "model")
    given = body.get("input")
    if given is None:
        raise bad_request("`input` is missing: it must be a string or a list of items", "input")
    if type(given) is not str and type(given) is not list:
        raise bad_request(f"`input` must be a string or a list of items, not {describe_type(given)}", "input")
    for name, kind in _OPTIONAL:
        _check_optional(body, name, kind, name)
    for name, member, kind in _MEMBERS:
        if name in body:
            _check_optional(body[name], member, kind, f"{name}.{member}")
    for name, kind in _ELEMENTS:
        for index, value in enumerate(body.get(name, ())):
            if type(value) is not kind:
                raise _wrong(value, kind, f"{name}[{index}]")


def _check_optional(holder: dict[str, Any], name: str, kind: type, path: str) -> None:
    if name not in holder:
        return
    if holder[name] is None:
        del holder[name]
    else:
        _expect(holder[name], kind, path)


def _expect(value: object, kind: type, path: str) -> None:
    if type(value) is not kind:
        raise _wrong(value, kind, path)


def _wrong(value: object, kind: type, path: str) -> ApiError:
    return bad_request(f"`{path}` must be {TYPE_NAMES[kind]}, not {describe_type(value)}", path)
