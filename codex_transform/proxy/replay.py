"""Send a request that no client waits for, through all addons, by mitmproxy's client replay."""

from collections.abc import Awaitable, Callable

from mitmproxy import ctx, http
from mitmproxy.addons.clientplayback import MockServer, ReplayHandler
from mitmproxy.connection import Server
from mitmproxy.proxy.events import ConnectionClosed, Event
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import ReceiveHttp, RequestProtocolError

from codex_transform.proxy.admission import copy_admission
from codex_transform.proxy.call import inherit_key
from codex_transform.proxy.client_address import copy_client_address


class Replay:
    """Sends the request of a flow, which is not live. It is over when the flow has a response or an error.

    After each read from the endpoint `room` is waited for, if it is given.
    """

    def __init__(self, flow: http.HTTPFlow, room: Callable[[], Awaitable[None]] | None = None) -> None:
        flow.is_replay, flow.response, flow.error = "request", None, None
        self._handler = _Handler(flow, room)

    async def run(self) -> None:
        """Send it, and wait until it is over."""
        await self._handler.replay()

    def cancel(self) -> None:
        """Close the connection to the endpoint: what has come of the answer is all."""
        for connection in list(self._handler.transports.values()):
            if connection.handler:
                connection.handler.cancel()

    async def leave(self) -> None:
        """End it as if its client had closed the connection."""
        await self._handler.server_event(ConnectionClosed(self._handler.client))


class _Handler(ReplayHandler):
    """mitmproxy's, for a client that may be slow, and may leave."""

    def __init__(self, flow: http.HTTPFlow, room: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(flow, ctx.options)
        self._wait_for_room = room
        self.layer.connections[self.client] = _Client(flow, self.layer.context.fork())

    async def drain_writers(self) -> None:
        """Wait until there is room for more."""
        await super().drain_writers()  # type: ignore[no-untyped-call]
        if self._wait_for_room:
            await self._wait_for_room()


class _Client(MockServer):
    """The client's side of the exchange."""

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        if isinstance(event, ConnectionClosed):
            # The type of a code differs between mitmproxy 11 and 12; the class has the right one.
            yield ReceiveHttp(RequestProtocolError(1, "Client disconnected.", RequestProtocolError.code))
        else:
            yield from super()._handle_event(event)


def copy_request(flow: http.HTTPFlow, path: str, content: bytes) -> http.HTTPFlow:
    """Return a flow with the request of another one, for another path and with another body."""
    copy = http.HTTPFlow(flow.client_conn, Server(address=None))
    copy.request = flow.request.copy()
    copy.request.path = path
    copy.request.headers.pop("content-encoding", None)
    copy.request.content = content
    copy_admission(flow, copy)
    copy_client_address(flow, copy)
    inherit_key(flow, copy)
    return copy
