"""Many clients that connect at the same moment."""

import asyncio

from support.running import Proxy

CLIENTS = 400


async def test_many_clients_that_connect_at_once_are_all_served(quiet_proxy: Proxy) -> None:
    async def visit() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", quiet_proxy.port)
        writer.write(b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nHost: api.openai.com\r\n")
        writer.write(b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
        try:
            return (await reader.read())[:12]
        finally:
            writer.close()

    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(visit() for _ in range(CLIENTS)))
    assert answers == [b"HTTP/1.1 400"] * CLIENTS
