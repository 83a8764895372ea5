"""The layer for a client that may not use the proxy: it answers a 403 to whatever the client sends first.

It replaces mitmproxy's HTTP layer, which would read a whole request, however large, and pass it to every addon before
it answers.
"""

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps

# Closing a connection with unread bytes resets it, and the answer may be lost: the client gets this many seconds to
# read the answer and close.
_LINGER = 2.0


class ForbiddenLayer(layer.Layer):
    """Answers HTTP/1.1 with an error, CONNECT included, and closes."""

    def __init__(self, context: Context, error: ApiError) -> None:
        super().__init__(context)
        self.error = error
        self.answered = False

    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        client = self.context.client
        if isinstance(event, events.DataReceived) and not self.answered:
            self.answered = True
            body = dumps(self.error.payload())
            head = (
                f"HTTP/1.1 {self.error.status} Forbidden\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            )
            yield commands.SendData(client, head.encode() + body)
            yield commands.CloseTcpConnection(client, half_close=True)
            yield commands.RequestWakeup(_LINGER)
        elif isinstance(event, events.Wakeup | events.ConnectionClosed):
            yield commands.CloseConnection(client)
