"""Which person a request is from.

Kept beside the flow for the same reasons as calls: see `call.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from mitmproxy import http

from codex_transform.people.limiter import Reservation

if TYPE_CHECKING:
    from codex_transform.people.person import Person


@dataclass(slots=True)
class Admission:
    """The person whose request is admitted; `derived`: the proxy itself sends it for another one of theirs."""

    person: Person
    derived: bool = False
    reservation: Reservation | None = None


_admissions: WeakKeyDictionary[http.HTTPFlow, Admission] = WeakKeyDictionary()


def set_admission(flow: http.HTTPFlow, admission: Admission) -> None:
    """Note who sends a flow's request."""
    _admissions[flow] = admission


def get_admission(flow: http.HTTPFlow) -> Admission | None:
    """Return who sends a flow's request, None if that is not known."""
    return _admissions.get(flow)


def copy_admission(flow: http.HTTPFlow, derived: http.HTTPFlow) -> None:
    """Note that a request is sent for the one of another flow."""
    if admission := get_admission(flow):
        set_admission(derived, Admission(admission.person, derived=True))
