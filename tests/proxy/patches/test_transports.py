"""A connection whose end mitmproxy does not report, because it was cancelled while it waited for its turn to do so."""

import asyncio

import pytest
from mitmproxy.addons.next_layer import NextLayer
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Server
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.test import taddons

from codex_transform.proxy.patches.transports import EndLostConnections

REQUEST = b"GET http://127.0.0.1:%d/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.mark.parametrize("sends", [b"", b"HTTP/1.1 200"], ids=["its end", "its data"])
async def test_who_waits_for_a_connection_is_told_that_it_is_lost(sends: bytes) -> None:
    """`sends` is what the server's task waits to hand on when it is cancelled: nothing means the end."""
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    endpoint = await asyncio.start_server(lambda *both: accepted.put_nowait(both), "127.0.0.1", 0)
    proxyserver = Proxyserver()
    with taddons.context(proxyserver, NextLayer(), EndLostConnections()) as context:
        context.configure(proxyserver, listen_host="127.0.0.1", listen_port=0)
        assert await proxyserver.setup_servers()
        proxyserver.running()
        reader, writer = await asyncio.open_connection(*proxyserver.listen_addrs()[0][:2])
        writer.write(REQUEST % endpoint.sockets[0].getsockname()[1])
        received, server = await accepted.get()
        await received.readuntil(b"\r\n\r\n")

        (handler,) = proxyserver.connections.values()
        (connection,) = [each for each in handler.transports if isinstance(each, Server)]
        await turn(handler).acquire()
        if sends:
            server.write(sends)
        else:
            server.close()
        await until_waiting(handler)
        cancel(handler, connection)
        turn(handler).release()

        answer = await asyncio.wait_for(reader.readline(), 10)
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert not connection.connected
        assert connection not in handler.transports
        writer.close()
        server.close()
        endpoint.close()
        await proxyserver.servers.update([])


def turn(handler: ConnectionHandler) -> asyncio.Lock:
    return handler._server_event_lock


async def until_waiting(handler: ConnectionHandler) -> None:
    async with asyncio.timeout(10):
        while not turn(handler)._waiters:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0)


def cancel(handler: ConnectionHandler, connection: Server) -> None:
    """What mitmproxy does when it cannot write to the connection."""
    task = handler.transports[connection].handler
    assert task
    task.cancel("Error sending data")
