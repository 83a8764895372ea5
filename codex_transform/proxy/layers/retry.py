"""Retry on a new connection when a reused one was lost, and forget connections that failed.

mitmproxy remembers for a client's connection that the endpoint could not be reached, and fails every later request
without trying; that suits a proxy that hangs up on its client after an error, as it does itself. And a request that is
sent on a reused connection just as the endpoint closes it gets an error, though nothing is wrong. So a stream of ours
forgets connections that failed, and sends a request once more, on a new connection, if it was sent on a reused one and
not a byte of a response came (RFC 9110 section 9.2.2 allows it: the request was not processed).
"""

from mitmproxy.connection import Server
from mitmproxy.proxy.events import Event
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    GetHttpConnection,
    HttpLayer,
    HttpRequestHook,
    HttpStream,
    RequestEndOfMessage,
    ResponseProtocolError,
)

from codex_transform.proxy.call import get_call


class RetryMixin(HttpStream):
    """A stream that does not suffer from another one's connection."""

    _reused = False
    _retried = False

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        if isinstance(event, ResponseProtocolError) and self._lost_reused_connection():
            return self._send_again()
        handled: CommandGenerator[None] = super()._handle_event(event)
        return handled

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
        connection, error = yield command
        if error:
            # TLS that was given up for taking too long ends in "connection closed": the connection knows better.
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
    def _http_layer(self) -> HttpLayer:
        layers = self.context.layers
        parent = layers[layers.index(self) - 1]
        assert isinstance(parent, HttpLayer)
        return parent

    def _connections(self) -> list[Server]:
        return [connection for connection in self._http_layer.connections if isinstance(connection, Server)]

    def _lost_reused_connection(self) -> bool:
        """Return whether a reused connection was lost before any response."""
        waiting = self.server_state == self.state_wait_for_response_headers and self.client_state == self.state_done
        return self._reused and not self._retried and waiting and not self.flow.server_conn.connected

    def _send_again(self) -> CommandGenerator[None]:
        self._retried = True
        self.request_body_buf += self.flow.request.raw_content or b""
        # As if the request had just come, but without the hook: it has been rewritten already.
        sending = self.state_consume_request_body(RequestEndOfMessage(self.stream_id))
        reply = None
        while True:
            try:
                command = sending.send(reply)
            except StopIteration:
                return
            reply = None if isinstance(command, HttpRequestHook) else (yield command)


def _is_closed(server: Server) -> bool:
    """Return whether nothing more can come of a connection that failed: it was never made, or has been closed."""
    return server.timestamp_tcp_setup is None or server.timestamp_end is not None
