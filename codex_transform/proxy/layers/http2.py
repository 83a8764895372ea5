"""HTTP/2 connections that end as RFC 9113 section 6.8 has it: GOAWAY without an error lets the open streams finish.

Servers send it in daily use: nginx after `keepalive_requests` and when it reloads, load balancers when they change. h2
takes it for the end of the connection, and so does mitmproxy, which fails all streams. mitmproxy also forgets the
requests that wait for a free stream when their connection ends, so that they wait for ever.

Here a connection to the endpoint that has got GOAWAY takes no new requests, and is closed when the last of its streams
has ended. The streams that GOAWAY does not cover, and the requests that wait for a free one, fail at once with
`NOT_PROCESSED`: it is safe to send them again. A client's connection serves the streams that are open.
"""

from typing import Any, NamedTuple

from h2.errors import ErrorCodes
from h2.events import DataReceived
from mitmproxy.connection import ConnectionState
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.events import Event
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    Http2Client,
    Http2Server,
    HttpEvent,
    ReceiveHttp,
    RequestProtocolError,
    ResponseProtocolError,
)
from mitmproxy.proxy.layers.http._http2 import Http2Connection
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection

from codex_transform.response.network_error import NOT_PROCESSED


class GoAwayReceived(NamedTuple):
    """An event besides those of h2: the peer accepts no more streams, and processes none above `last_stream_id`."""

    last_stream_id: int
    error_code: int


class GracefulH2Connection(BufferedH2Connection):
    """The state of a connection that GOAWAY does not end."""

    def _receive_goaway_frame(self, frame: Any) -> tuple[list[Any], list[Any]]:
        return [], [GoAwayReceived(frame.last_stream_id, frame.error_code)]


class GracefulMixin(Http2Connection):
    """A connection that is closed when its streams have ended, once its peer has sent GOAWAY."""

    _ending = False

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        yield from super()._handle_event(event)
        if self._ending and all(map(self.is_closed, self.streams)):
            self.streams.clear()  # nobody waits for them
            yield from self.close_connection("the peer sent GOAWAY")

    def handle_h2_event(self, event: Any) -> CommandGenerator[bool]:
        """Handle what h2 has received; return whether the connection is over."""
        if not isinstance(event, GoAwayReceived):
            return (yield from super().handle_h2_event(event))
        if event.error_code != ErrorCodes.NO_ERROR:
            yield from self.close_connection(f"HTTP/2 connection closed by GOAWAY (error {event.error_code})")
            return True
        self._ending = True
        return False

    def close_connection(self, msg: str) -> CommandGenerator[None]:
        """Close the connection; all streams that are open fail."""
        self._ending = False
        yield from super().close_connection(msg)


class GracefulHttp2Server(GracefulMixin, Http2Server):
    """A client's connection."""


class GracefulHttp2Client(GracefulMixin, Http2Client):
    """A connection to an endpoint."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._not_sent: list[int] = []
        self._refused: set[int] = set()

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        if isinstance(event, HttpEvent) and event.stream_id not in self.our_stream_id:
            if isinstance(event, RequestProtocolError):
                self.stream_queue.pop(event.stream_id, None)  # given up before it was sent
                return
            if self._ending:
                return  # the rest of a request that has failed
        yield from super()._handle_event(event)
        if isinstance(event, RequestProtocolError):
            self.streams.pop(event.stream_id, None)  # reset; by now the number is this connection's
        while self._not_sent:
            stream_id = self._not_sent.pop(0)
            yield ReceiveHttp(ResponseProtocolError(stream_id, NOT_PROCESSED, ResponseProtocolError.code))

    def handle_h2_event(self, event: Any) -> CommandGenerator[bool]:
        """Handle what h2 has received; return whether the connection is over."""
        if isinstance(event, GoAwayReceived):
            # To mitmproxy this means that other requests need a new connection; what is sent on this one still leaves.
            self.conn.state &= ~ConnectionState.CAN_WRITE
            self._drop_queue()
            yield from self._refuse_above(event.last_stream_id)
        elif getattr(event, "stream_id", 0) in self._refused and not isinstance(event, DataReceived):
            return False  # it came in the same read; of data that nobody expects mitmproxy only notes the size
        return (yield from super().handle_h2_event(event))

    def close_connection(self, msg: str) -> CommandGenerator[None]:
        """Close the connection; all streams that are open fail, and all requests that wait for one."""
        self._drop_queue()
        yield from super().close_connection(msg)

    def _drop_queue(self) -> None:
        self._not_sent += self.stream_queue
        self.stream_queue.clear()

    def _refuse_above(self, last_stream_id: int) -> CommandGenerator[None]:
        refused = [stream_id for stream_id in self.streams if stream_id > last_stream_id]
        for stream_id in refused:
            del self.streams[stream_id]
            self._refused.add(stream_id)
            if not self.is_closed(stream_id):
                # h2 ignores whatever still comes for it.
                self.h2_conn.reset_stream(stream_id, ErrorCodes.CANCEL)
            yield ReceiveHttp(ResponseProtocolError(stream_id, NOT_PROCESSED, ResponseProtocolError.code))
