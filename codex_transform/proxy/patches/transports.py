"""Ends connections that mitmproxy has no way to refuse, leaves open, or forgets to report as lost.

mitmproxy ends a connection by cancelling the task that reads it: to close it, or after an error in writing to it. If
the task is just then waiting for its turn to hand on what it has read, the cancellation ends it there: the socket stays
open, and no layer learns that the connection is over, so that every request on it waits until its timeout. Tasks wait
for a turn where they start eagerly, from Python 3.12 on. Seen in 12.3.1, and the code is the same in 11.0.2
(`handle_connection` in `mitmproxy/proxy/server.py`). It does tell addons, either way, that the connection is over.
"""

import asyncio

from mitmproxy import ctx
from mitmproxy.connection import Client, Connection, ConnectionState
from mitmproxy.proxy.events import ConnectionClosed
from mitmproxy.proxy.server_hooks import ServerConnectionHookData


class EndLostConnections:
    """Addon: makes sure that a connection which is over is closed, and that all who wait for it are told."""

    async def server_disconnected(self, data: ServerConnectionHookData) -> None:
        """End a connection to a server that is over."""
        await _end(data.client, data.server)

    async def client_disconnected(self, client: Client) -> None:
        """End a client's connection that is over."""
        await _end(client, client)


async def _end(client: Client, connection: Connection) -> None:
    handler = ctx.master.addons.get("proxyserver").connections.get(client.id)
    if not handler or connection not in handler.transports:
        return  # its end was reported, and mitmproxy has forgotten it
    close(client, connection)
    # Else mitmproxy would cancel the task of this very hook when the layers close the connection in their turn.
    del handler.transports[connection]
    connection.state = ConnectionState.CLOSED
    # The errors that cancelled the task may do so once more.
    await asyncio.shield(handler.server_event(ConnectionClosed(connection)))


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
