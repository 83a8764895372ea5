"""The body of a response that is still being made, for a client that reads it meanwhile.

mitmproxy sends a response of an addon as a whole. For one with a live body our stream asks for the next piece by a
hook, until there is none; see `layers/stream.py`.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from mitmproxy import http
from mitmproxy.proxy.commands import StartHook


@dataclass
class LiveBodyHook(StartHook):
    """Asks the addons for the next piece of the response's live body."""

    name = "live_body"
    flow: http.HTTPFlow


class LiveBody:
    """A body in pieces."""

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces
        self._next = b""

    async def advance(self) -> None:
        """Wait for the next piece."""
        self._next = await anext(self._pieces, b"")

    def take(self) -> bytes:
        """Return the piece that has been waited for, b"" at the end."""
        piece, self._next = self._next, b""
        return piece


_bodies: WeakKeyDictionary[http.HTTPFlow, LiveBody] = WeakKeyDictionary()


def set_live_body(flow: http.HTTPFlow, body: LiveBody) -> None:
    """Give the flow's response a live body."""
    _bodies[flow] = body


def get_live_body(flow: http.HTTPFlow) -> LiveBody | None:
    """Return the live body of a flow's response, None if it has none."""
    return _bodies.get(flow)
