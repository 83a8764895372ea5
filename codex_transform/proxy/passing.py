"""Requests to a host of ours that are none of ours: they pass as they are.

Kept beside the flow for the same reasons as calls: see `call.py`.
"""

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from mitmproxy import http

from codex_transform.endpoint.url import Endpoint


@dataclass(frozen=True, slots=True)
class Passing:
    """A request that passes.

    With `endpoint`, it goes there, with the endpoint's key: `authorization` is the header value.
    """

    endpoint: Endpoint | None = None
    authorization: str | None = field(default=None, repr=False)

    @property
    def key(self) -> str:
        """The key that it is sent with, "" for none of ours."""
        return (self.authorization or "").rpartition(" ")[2]

    def is_for(self, path: str) -> bool:  # noqa: ARG002
        """Return whether a path of the endpoint is what it is for: it may be any."""
        return True


_requests: WeakKeyDictionary[http.HTTPFlow, Passing] = WeakKeyDictionary()


def start_passing(flow: http.HTTPFlow, passing: Passing) -> None:
    """Mark a flow as one that passes."""
    _requests[flow] = passing


def get_passing(flow: http.HTTPFlow) -> Passing | None:
    """Return what is known of a flow that passes, None if it is none."""
    return _requests.get(flow)
