"""A WebSocket of a client: between `layers/websocket.py`, which reads and writes it, and the addon that answers.

What is to be sent is queued here; the layer asks for it by a hook, as for a live body. Kept beside the flow for the
same reasons as calls: see `call.py`.
"""

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.commands import StartHook

HIGH_WATER = 1_000_000
"""Bytes that may wait for the client before the endpoint is read no further."""


class Peer(Protocol):
    """Who is told what the client does. None of this raises."""

    def opened(self) -> None:
        """Take note that the WebSocket is open."""

    def received(self, content: bytes, *, text: bool) -> None:
        """Take a message."""

    def left(self) -> None:
        """Take note that the WebSocket is over."""


class Close(NamedTuple):
    """A close frame to be sent after all that is queued."""

    code: int
    reason: str


@dataclass(eq=False)
class Socket:
    """A WebSocket, from the request for it on.

    `client` is its connection, `owner` may refer to what is stored of its responses, `authorization` is the client's
    own, if that is to be forwarded, `peer` is set when the WebSocket is accepted. While it is `busy` the client waits
    for an answer. So many bytes are `queued` for it.
    """

    client: Client
    owner: str
    authorization: str | None = field(default=None, repr=False)
    peer: Peer | None = None
    busy: bool = False
    over: bool = False
    closing: Close | None = None
    queued: int = 0
    _queue: list[bytes] = field(default_factory=list, repr=False)
    _output: asyncio.Event = field(default_factory=asyncio.Event)
    _room: asyncio.Event = field(default_factory=asyncio.Event)

    def send(self, frames: bytes) -> None:
        """Send frames, unless the end has been announced."""
        if frames and not self.over and not self.closing:
            self._queue.append(frames)
            self.queued += len(frames)
            self._output.set()

    def close(self, code: int, reason: str = "") -> None:
        """Close the WebSocket once all has been sent."""
        if not self.closing:
            self.closing = Close(code, reason)
            self._output.set()

    def take(self) -> bytes:
        """Return what is to be sent."""
        frames = b"".join(self._queue)
        self._clear()
        if not (self.closing or self.over):
            self._output.clear()
        self._room.set()
        return frames

    def end(self) -> None:
        """Note that the connection is gone: nobody waits any more."""
        if not self.over:
            self.over = True
            self._clear()
            self._output.set()
            self._room.set()
            # What is kept beside a flow may not lead to it for ever.
            peer, self.peer = self.peer, None
            if peer:
                peer.left()

    def _clear(self) -> None:
        self._queue.clear()
        self.queued = 0

    async def wait_for_output(self) -> None:
        """Wait until there is something to send, or nothing any more."""
        await self._output.wait()

    async def wait_for_room(self) -> None:
        """Wait until the client has taken enough of what is queued."""
        while self.queued > HIGH_WATER and not self.over:
            self._room.clear()
            await self._room.wait()


@dataclass
class SocketOutputHook(StartHook):
    """Asks the addons to wait until a socket has something to send, or is over.

    It is not about the flow: mitmproxy would have all addons look at that again, once for each piece of an answer.
    """

    name = "socket_output"
    socket: Socket


_sockets: WeakKeyDictionary[http.HTTPFlow, Socket] = WeakKeyDictionary()


def start_socket(flow: http.HTTPFlow, owner: str) -> None:
    """Mark a flow as a request for a WebSocket."""
    _sockets[flow] = Socket(flow.client_conn, owner)


def get_socket(flow: http.HTTPFlow) -> Socket | None:
    """Return the WebSocket of a flow, None if it has none."""
    return _sockets.get(flow)
