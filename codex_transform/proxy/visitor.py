"""Which person a request is from.

Kept beside the flow for the same reasons as calls: see `call.py`.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from mitmproxy import http

from codex_transform.people.limiter import Reservation
from codex_transform.people.register import Person


@dataclass(slots=True)
class Visitor:
    """A person with a request; `derived` is one that the proxy itself sends for another one of theirs."""

    person: Person
    derived: bool = False
    reservation: Reservation | None = None


_visitors: WeakKeyDictionary[http.HTTPFlow, Visitor] = WeakKeyDictionary()


def set_visitor(flow: http.HTTPFlow, visitor: Visitor) -> None:
    """Note who sends a flow's request."""
    _visitors[flow] = visitor


def get_visitor(flow: http.HTTPFlow) -> Visitor | None:
    """Return who sends a flow's request, None if that is not known."""
    return _visitors.get(flow)


def copy_visitor(flow: http.HTTPFlow, derived: http.HTTPFlow) -> None:
    """Note that a request is sent for the one of another flow."""
    if visitor := get_visitor(flow):
        set_visitor(derived, Visitor(visitor.person, derived=True))
