"""A client's WebSocket that the proxy answers itself.

mitmproxy's own layer forwards messages to a server, and here there is none. This one replaces it after the 101
response: it reads the client's frames while an answer streams, answers pings, and ends a connection that is idle or too
old. A separate layer waits for what is to be sent, so that the waiting blocks nothing else.
"""

import time

from mitmproxy import http
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.events import CommandCompleted, ConnectionClosed, DataReceived, Event, Start, Wakeup
from mitmproxy.proxy.layer import CommandGenerator, Layer
from mitmproxy.proxy.layers.http import HttpStream, ResponseEndOfMessage, SendHttp
from mitmproxy.proxy.layers.websocket import WebsocketEndHook, WebsocketStartHook

from codex_transform.errors import ApiError
from codex_transform.proxy.websocket import Socket, SocketOutputHook, get_socket
from codex_transform.websocket.frames import Closed, Frames, Message, Reply, TooLong, text_frame
from codex_transform.websocket.messages import error_message

MAX_MESSAGE = 64_000_000
"""Bytes of a message, as of an HTTP body."""

AGE_LIMIT = 3600.0
"""Seconds after which a connection is closed, as the API does, once its answer is over."""

IDLE_LIMIT = 1800.0
"""Seconds after which a connection on which nothing is asked is closed."""

PING_INTERVAL = 30.0
"""Seconds between two pings, which also keep mitmproxy from closing a connection that is quiet."""

CLOSE_TIMEOUT = 2.0
"""Seconds that the client has to answer a close frame."""

NORMAL, GOING_AWAY, NO_STATUS, TOO_BIG = 1000, 1001, 1005, 1009


class WebSocketMixin(HttpStream):
    """A stream that can become a WebSocket of ours."""

    def flow_done(self) -> CommandGenerator[None]:
        """Hand over the client's connection if it becomes a WebSocket that is answered here."""
        socket, response = get_socket(self.flow), self.flow.response
        if socket is None or response is None or response.status_code != 101:
            yield from super().flow_done()
            return
        self.child_layer = SocketLayer(self.context, self.flow, socket)
        self._handle_event = self.passthrough
        yield from self.child_layer.handle_event(Start())
        yield SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)


class SocketLayer(Layer):
    """The client's side of a WebSocket."""

    def __init__(self, context: Context, flow: http.HTTPFlow, socket: Socket) -> None:
        super().__init__(context)
        self._flow, self._socket = flow, socket
        self._frames = Frames(MAX_MESSAGE)
        self._output = _Output(context.fork(), socket, self._frames)
        self._opened = self._asked = time.monotonic()
        self._check: commands.RequestWakeup | None = None
        self._deadline: commands.RequestWakeup | None = None

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        if self._socket.over:
            return
        if isinstance(event, Start):
            yield from self._start()
        elif isinstance(event, DataReceived):
            yield from self._receive(event.data)
        elif isinstance(event, ConnectionClosed):
            yield from self._end(NO_STATUS, "", by_client=True)
        elif isinstance(event, Wakeup):
            yield from self._wake(event)
        elif isinstance(event, CommandCompleted):
            yield from self._output.handle_event(event)
        if self._frames.closing and not self._deadline and not self._socket.over:
            self._deadline = commands.RequestWakeup(CLOSE_TIMEOUT)
            yield self._deadline

    def _start(self) -> CommandGenerator[None]:
        yield WebsocketStartHook(self._flow)
        if self._socket.peer:
            self._socket.peer.opened()
        yield from self._output.handle_event(Start())
        yield from self._schedule()

    def _schedule(self) -> CommandGenerator[None]:
        self._check = commands.RequestWakeup(min(PING_INTERVAL, IDLE_LIMIT / 4))
        yield self._check

    def _receive(self, data: bytes) -> CommandGenerator[None]:
        for said in self._frames.receive(data):
            if isinstance(said, Message):
                self._asked = time.monotonic()
                if self._socket.peer and not self._socket.closing:
                    self._socket.peer.received(said.content, text=said.text)
            elif isinstance(said, Reply):
                yield self._send(said.data)
            elif isinstance(said, TooLong):
                message = f"the message is longer than {MAX_MESSAGE // 1_000_000} MB"
                yield from self._close(TOO_BIG, ApiError(413, message))
            elif isinstance(said, Closed):
                if said.reply:
                    yield self._send(said.reply)
                yield from self._end(said.code, said.reason, by_client=said.by_client)

    def _wake(self, event: Wakeup) -> CommandGenerator[None]:
        now = time.monotonic()
        if event.command is self._deadline:
            yield from self._end(NORMAL, "", by_client=False)
        elif event.command is not self._check or self._frames.closing:
            return
        elif self._socket.busy:
            self._asked = now
            yield from self._go_on()
        elif now - self._opened >= AGE_LIMIT:
            message = f"this connection is {AGE_LIMIT / 60:.0f} minutes old, which is the most: open another"
            yield from self._close(GOING_AWAY, ApiError(400, message, code="websocket_connection_limit_reached"))
        elif now - self._asked >= IDLE_LIMIT:
            yield from self._close(NORMAL, None, "no request came for too long")
        else:
            yield from self._go_on()

    def _go_on(self) -> CommandGenerator[None]:
        yield self._send(self._frames.ping())
        yield from self._schedule()

    def _close(self, code: int, error: ApiError | None, reason: str = "") -> CommandGenerator[None]:
        """Close the connection at once, whatever is queued."""
        frame = text_frame(error_message(error)) if error else b""
        yield self._send(frame + self._frames.close(code, reason or (error.message if error else "")))

    def _send(self, frames: bytes) -> commands.SendData:
        return commands.SendData(self.context.client, frames)

    def _end(self, code: int, reason: str, *, by_client: bool) -> CommandGenerator[None]:
        self._socket.end()
        if state := self._flow.websocket:
            state.timestamp_end = time.time()
            state.closed_by_client, state.close_code, state.close_reason = by_client, code, reason
        yield commands.CloseConnection(self.context.client)
        yield WebsocketEndHook(self._flow)
        self._flow.live = False


class _Output(Layer):
    """Sends what is queued until the connection is closed."""

    def __init__(self, context: Context, socket: Socket, frames: Frames) -> None:
        super().__init__(context)
        self._socket, self._frames = socket, frames

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        if not isinstance(event, Start):
            return
        socket = self._socket
        while True:
            yield SocketOutputHook(socket)
            if socket.over or self._frames.closing:
                return
            output = socket.take()
            if socket.closing:
                output += self._frames.close(*socket.closing)
            if output:
                yield commands.SendData(self.context.client, output)
