"""Checks the types of a message's fields without raising exceptions.

mitmproxy checks each field of every request and response that it makes. For a field that may be None it tries one type
after the other, and raises and catches an exception for each that does not match: a dozen for one call, which take 0.1
ms. Worse, each of them stays behind in a cycle with all frames that were active, and they refer to the flow, so its
bodies stay in memory until Python looks for garbage. A set of types per field answers the same question; whatever it
does not answer is left to mitmproxy's own check, with its own error.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin

from mitmproxy.http import MessageData

_check: Callable[[MessageData], None] = MessageData.__post_init__


class CheckFieldTypes:
    """Addon: replaces the check for as long as it is loaded."""

    def load(self, _loader: object) -> None:
        """Replace mitmproxy's check."""
        MessageData.__post_init__ = _check_fast  # type: ignore[method-assign]

    def done(self) -> None:
        """Restore it: mitmproxy ends, or reloads the script."""
        MessageData.__post_init__ = _check  # type: ignore[method-assign]


def _check_fast(message: MessageData) -> None:
    """Raise TypeError, as mitmproxy does, for a field that has a value of another type than it declares."""
    for name, types in _field_types(type(message)):
        if type(getattr(message, name)) not in types:
            _check(message)
            return


@cache
def _field_types(message: type[MessageData]) -> tuple[tuple[str, frozenset[Any]], ...]:
    """Return the fields of a kind of message, with the types that each declares."""
    return tuple((field.name, frozenset(_alternatives(field.type))) for field in fields(message))


def _alternatives(declared: Any) -> tuple[Any, ...]:
    return get_args(declared) if get_origin(declared) in (Union, UnionType) else (declared,)
