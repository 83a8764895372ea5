"""The layer that a client gets who may not use the proxy: a 403 to whatever it says first, and nothing is read.

It stands in the place of mitmproxy's HTTP layer, which would take in a whole request, however large, before it
answers, and have every addon look at it.
"""

from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps

# Closing with bytes unread resets the connection, and the answer may be lost with it: the client gets so many
# seconds to read the answer and close.
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
