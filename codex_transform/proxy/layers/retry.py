"""Makes another attempt at a request that failed, and forgets connections that failed.

`attempts` decides what to do about a failure; this sends the request again, after the pause that was decided on. At
that point nothing of a response has been sent to the client.

mitmproxy remembers for a client's connection that the endpoint could not be reached, and fails every later request
without trying; that suits mitmproxy itself, which closes the client's connection after an error. A stream of ours
forgets connections that failed.
"""

import logging
import time

from mitmproxy.connection import Server
from mitmproxy.proxy import commands
from mitmproxy.proxy.events import Event, Wakeup
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    Http2Client,
    HttpLayer,
    HttpRequestHook,
    HttpStream,
    RequestEndOfMessage,
    ResponseProtocolError,
)

from codex_transform.attempts.failure import Failure
from codex_transform.attempts.next_attempt import Attempt
from codex_transform.errors import ApiError
from codex_transform.proxy.call import get_call
from codex_transform.redaction import redact_key_text

logger = logging.getLogger(__name__)


class RetryMixin(HttpStream):
    """A stream that may send its request more than once, and is not affected by the failed connection of another."""

    _reused = False
    _sent_at: float | None = None
    _next_attempt: commands.RequestWakeup | None = None

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        if isinstance(event, Wakeup) and event.command is self._next_attempt:
            return self._send_again()
        handled: CommandGenerator[None] = super()._handle_event(event)
        return handled

    def state_pause(self, event: Event) -> CommandGenerator[None]:  # noqa: ARG002
        """Wait for the next attempt; events of the last one are ignored."""
        yield from ()

    def make_server_connection(self) -> CommandGenerator[bool]:
        """Connect to the endpoint, or reuse a connection. Return False if there is none."""
        if get_call(self.flow) is None:
            return (yield from super().make_server_connection())
        request, server = self.flow.request, self.flow.server_conn
        address = (request.host, request.port)
        command = GetHttpConnection(address, request.scheme == "https", server.via, server.transport_protocol)
        connections = self._connections()
        for failed in connections:
            if failed.error and _is_closed(failed):
                del self._http_layer.connections[failed]
        self._sent_at = None
        connection, error = yield command
        if error:
            # TLS that timed out is reported as "connection closed"; the connection has the real error.
            errors = [tried.error for tried in self._connections() if command.connection_spec_matches(tried)]
            error = next((each for each in reversed(errors) if each), error)
            yield from self.handle_protocol_error(
                ResponseProtocolError(self.stream_id, error, ResponseProtocolError.code)
            )
            return False
        self._reused = connection in connections
        self.context.server = self.flow.server_conn = connection
        return True

    @property
    def _elapsed(self) -> float:
        """Return the seconds since the request was sent."""
        return 0.0 if self._sent_at is None else time.monotonic() - self._sent_at

    @property
    def _http_layer(self) -> HttpLayer:
        layers = self.context.layers
        parent = layers[layers.index(self) - 1]
        assert isinstance(parent, HttpLayer)
        return parent

    def _connections(self) -> list[Server]:
        return [connection for connection in self._http_layer.connections if isinstance(connection, Server)]

    def _decide(self, failure: Failure) -> Attempt | ApiError | None:
        """Return what to do about a failure: see `CallAttempts.next`."""
        call = get_call(self.flow)
        if call is None or call.attempts is None or self.client_state != self.state_done:
            return None
        # The endpoint's message is logged, and may quote the key.
        redacted = redact_key_text(failure.message, call.key)
        try:
            return call.attempts.next(self.flow.request, failure._replace(message=redacted))
        except Exception:
            # Raised here, it would cost the client the answer that there is, and leave it waiting.
            logger.exception("deciding about another attempt failed; the client gets the endpoint's answer")
            return None

    def _schedule(self, attempt: Attempt) -> CommandGenerator[None]:
        """Start the next attempt after its pause, and never within the event that ended the last one."""
        self.flow.response = None
        self.response_body_buf.clear()
        self.server_state = self.state_pause
        self._next_attempt = commands.RequestWakeup(attempt.pause)
        yield self._next_attempt

    def _release_stream_id(self) -> None:
        """Let the connection take this stream's id once more: for HTTP/2 it stands for the stream that has ended."""
        if handler := self._http_layer.connections.get(self.context.server):
            connection = handler.context.layers[-1]
            if isinstance(connection, Http2Client):
                connection.our_stream_id.pop(self.stream_id, None)

    def _send_again(self) -> CommandGenerator[None]:
        self._next_attempt = None
        if self.server_state != self.state_pause or self.client_state != self.state_done:
            return  # the client has left
        if (yield from self.check_killed(True)):
            return
        self._release_stream_id()
        self.server_state = self.state_wait_for_response_headers
        self.request_body_buf += self.flow.request.raw_content or b""
        # As if the request had just arrived, but without the hook: it has already been rewritten.
        sending = self.state_consume_request_body(RequestEndOfMessage(self.stream_id))
        reply = None
        while True:
            try:
                command = sending.send(reply)
            except StopIteration:
                return
            reply = None if isinstance(command, HttpRequestHook) else (yield command)


def _is_closed(server: Server) -> bool:
    """Return whether a failed connection can bring nothing more: it was never made, or has been closed."""
    return server.timestamp_tcp_setup is None or server.timestamp_end is not None
