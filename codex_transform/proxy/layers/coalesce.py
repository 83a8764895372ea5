"""A head leaves together with what follows it.

mitmproxy writes a head by itself, and whoever gets it wakes up for it, to find that there is nothing to do yet. A head
that is sent as one of the two events here waits for the first of its body, which must be next.
"""

from mitmproxy.proxy import commands
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import Http1Connection, HttpEvent, RequestHeaders, ResponseHeaders

from codex_transform.proxy.layers.http1 import FramedClient, FramedServer


class RequestHead(RequestHeaders):
    """The head of a request whose body is sent next."""


class ResponseHead(ResponseHeaders):
    """The head of a response of whose body something is sent next."""


class _OneWrite(Http1Connection):
    """A connection that can write a head and what follows it at once."""

    _head = b""

    def send(self, event: HttpEvent) -> CommandGenerator[None]:
        """Sends a message, piece by piece."""
        sending = super().send(event)
        if isinstance(event, RequestHead | ResponseHead):
            self._head = b"".join(command.data for command in sending if isinstance(command, commands.SendData))
        elif self._head:
            yield from self._behind_head(sending)
        else:
            yield from sending

    def _behind_head(self, sending: CommandGenerator[None]) -> CommandGenerator[None]:
        for command in sending:
            if self._head and isinstance(command, commands.SendData):
                command.data = self._head + command.data
                self._head = b""
            yield command


class OneWriteClient(_OneWrite, FramedClient):
    """mitmproxy's HTTP/1 client, for requests."""


class OneWriteServer(_OneWrite, FramedServer):
    """mitmproxy's HTTP/1 server, for responses."""
