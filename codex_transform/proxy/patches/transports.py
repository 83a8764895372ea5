"""Addon: closes what mitmproxy leaves open.

A connection that is to be closed while much is coming in can stay open for ever: mitmproxy ends the task that reads
it, and closes the socket only if the task is not just then waiting for its turn to hand on what it has read. Seen in
11.0.2 and 12.2.3 (`handle_connection` in `mitmproxy/proxy/server.py`). It does say, either way, that the connection is
over.
"""

from mitmproxy import ctx
from mitmproxy.connection import Client, Connection
from mitmproxy.proxy.server_hooks import ServerConnectionHookData


class Leftovers:
    """Makes sure that a connection which is over is closed."""

    def server_disconnected(self, data: ServerConnectionHookData) -> None:
        """A connection to a server is over."""
        _close(data.client, data.server)

    def client_disconnected(self, client: Client) -> None:
        """A client's connection is over."""
        _close(client, client)


def _close(client: Client, connection: Connection) -> None:
    handler = ctx.master.addons.get("proxyserver").connections.get(client.id)
    # What mitmproxy has closed it has forgotten.
    if handler and connection in handler.transports and (writer := handler.transports[connection].writer):
        writer.close()
