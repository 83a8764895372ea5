"""Closes connections that mitmproxy has no way to refuse, or leaves open.

A connection that is to be closed while much is coming in can stay open for ever: mitmproxy cancels the task that reads
it, and closes the socket only if the task is not just then waiting for its turn to hand on what it has read. Seen in
11.0.2 and 12.3.1 (`handle_connection` in `mitmproxy/proxy/server.py`). It does tell addons, either way, that the
connection is over.
"""

import asyncio

from mitmproxy import ctx
from mitmproxy.connection import Client, Connection
from mitmproxy.proxy.server_hooks import ServerConnectionHookData


class CloseLeakedSockets:
    """Addon: makes sure that a connection which is over is closed."""

    def server_disconnected(self, data: ServerConnectionHookData) -> None:
        """Close a connection to a server that is over."""
        close(data.client, data.server)

    def client_disconnected(self, client: Client) -> None:
        """Close a client's connection that is over."""
        close(client, client)


async def drain(client: Client) -> None:
    """Wait until a client has taken most of what has been written to it."""
    if handler := ctx.master.addons.get("proxyserver").connections.get(client.id):
        await handler.drain_writers()


def has_unsent(client: Client) -> bool:
    """Return whether a client has yet to take what has been written to it, beyond what the system keeps for it."""
    handler = ctx.master.addons.get("proxyserver").connections.get(client.id)
    io = handler and handler.transports.get(client)
    return bool(io and isinstance(io.writer, asyncio.StreamWriter) and io.writer.transport.get_write_buffer_size())


def close(client: Client, connection: Connection) -> None:
    """Close a connection of this client, its own or one to a server; mitmproxy writes nothing to it from then on."""
    handler = ctx.master.addons.get("proxyserver").connections.get(client.id)
    # What mitmproxy has closed it has forgotten.
    if handler and connection in handler.transports and (writer := handler.transports[connection].writer):
        writer.close()
