"""What one read of a connection brought goes on in one piece, and a head leaves together with what follows it.

Endpoints send an event a chunk, and at full speed a read brings dozens of them. mitmproxy's HTTP/1 client gives each
chunk by itself to all layers above, which costs more than everything that happens to it there, and it leaves in a
write, and often in a packet, of its own. Here the chunks of a read are put together first. Nothing waits: a piece goes
on as soon as the read is used up, and before anything else that the read led to, such as the end of the body.

In the same way a head is written by itself, and whoever gets it wakes up for it, to find that there is nothing to do
yet. A head that is sent as one of the two events here waits for the first of its body, which must be next.
"""

from collections.abc import Generator
from typing import Any

from mitmproxy.proxy import commands
from mitmproxy.proxy.events import Event
from mitmproxy.proxy.layers.http import (
    HttpEvent,
    ReceiveHttp,
    RequestHeaders,
    ResponseData,
    ResponseHeaders,
)

from codex_transform.proxy.framing import FramedClient, FramedServer

Commands = Generator[commands.Command, Any, None]


class RequestHead(RequestHeaders):
    """The head of a request whose body is sent next."""


class ResponseHead(ResponseHeaders):
    """The head of a response of whose body something is sent next."""


class OneRead(FramedClient):
    """mitmproxy's HTTP/1 client, whose pieces of a body are reads rather than chunks."""

    _head = b""

    def read_body(self, event: Event) -> Commands:
        """Bytes have come, or the connection has ended."""
        pieces: list[bytes] = []
        for command in super().read_body(event):
            if isinstance(command, ReceiveHttp) and isinstance(command.event, ResponseData):
                pieces.append(command.event.data)
                continue
            if pieces:
                yield self._received(pieces)
                pieces = []
            yield command
        if pieces:
            yield self._received(pieces)

    def send(self, event: HttpEvent) -> Commands:
        """Sends a request, piece by piece."""
        sending = super().send(event)
        if isinstance(event, RequestHead):
            self._head = _bytes_of(sending)
        elif self._head:
            self._head = yield from _behind(self._head, sending)
        else:
            yield from sending

    def _received(self, pieces: list[bytes]) -> ReceiveHttp:
        assert self.stream_id is not None
        return ReceiveHttp(ResponseData(self.stream_id, pieces[0] if len(pieces) == 1 else b"".join(pieces)))


class OneWrite(FramedServer):
    """mitmproxy's HTTP/1 server, which can write a head and what follows it at once."""

    _head = b""

    def send(self, event: HttpEvent) -> Commands:
        """Sends a response, piece by piece."""
        sending = super().send(event)
        if isinstance(event, ResponseHead):
            self._head = _bytes_of(sending)
        elif self._head:
            self._head = yield from _behind(self._head, sending)
        else:
            yield from sending


def _bytes_of(sending: Commands) -> bytes:
    return b"".join(command.data for command in sending if isinstance(command, commands.SendData))


def _behind(head: bytes, sending: Commands) -> Generator[commands.Command, Any, bytes]:
    """Puts `head` before the first bytes that are sent; returns what is left of it."""
    for command in sending:
        if head and isinstance(command, commands.SendData):
            command.data = head + command.data
            head = b""
        yield command
    return head
