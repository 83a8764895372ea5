"""The admin listener with raw connections: what it serves, and what it refuses."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from codex_transform.proxy.admin_listener import MAX_CONNECTIONS, AdminListener, Page, is_own_host, json_page


async def _alive() -> Page:
    return json_page(200, {"alive": True})


@asynccontextmanager
async def listening(time_limit: float = 5.0) -> AsyncIterator[tuple[AdminListener, int]]:
    async def broken() -> Page:
        raise RuntimeError("a bug")

    async def long() -> Page:
        return Page(200, "text/plain", b"x" * 20_000_000)

    listener = AdminListener("127.0.0.1", 0, {"/page": _alive, "/broken": broken, "/long": long}, time_limit)
    address = await listener.start()
    assert address
    try:
        yield listener, int(address.rpartition(":")[2])
    finally:
        listener.close()
        await asyncio.sleep(0.01)


async def exchange(port: int, request: bytes, *, end: bool = False) -> bytes:
    """Sends these bytes; returns what is received until the listener closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        if end:
            writer.write_eof()
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def get(path: str = "/page", method: str = "GET", host: str = "localhost", more: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


async def test_a_token_is_required() -> None:
    listener = AdminListener("127.0.0.1", 0, {"/page": _alive}, token="right")
    address = await listener.start()
    assert address
    port = int(address.rpartition(":")[2])
    for more, expected in (
        ("", 401),
        ("Authorization: Bearer wrong\r\n", 401),
        ("Authorization: Bearer \xff\r\n", 401),
        ("Authorization: Bearer right\r\n", 200),
    ):
        assert status(await exchange(port, get(more=more))) == expected
    assert status(await exchange(port, get(host="rebound.example", more="Authorization: Bearer right\r\n"))) == 421
    listener.close()


async def test_a_page_is_served() -> None:
    async with listening() as (_, port):
        head, _, body = (await exchange(port, get("/page?x=1"))).partition(b"\r\n\r\n")
        assert status(head) == 200
        assert json.loads(body) == {"alive": True}
        assert b"Content-Type: application/json" in head
        assert b"Connection: close" in head
        head, _, body = (await exchange(port, get(method="HEAD"))).partition(b"\r\n\r\n")
        assert (status(head), body) == (200, b"")
        assert b"Content-Length: 15" in head
        assert status(await exchange(port, b"GET /page HTTP/1.0\r\n\r\n")) == 200
        assert len(await exchange(port, get("/long"))) > 20_000_000


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (get("/"), 404),
        (get("/broken"), 500),
        (get(host="evil.example"), 421),
        (get(host="127.0.0.1.evil.example"), 421),
        (get(host="localhost@evil.example"), 421),
        (get(host=""), 421),
        (get("http://localhost/page"), 400),
        (get("http://evil.example/page", host="evil.example"), 421),
        (get(method="POST"), 405),
        (get(method="DELETE"), 405),
        (get(method="OPTIONS"), 405),
        (get("localhost:443", method="CONNECT"), 405),
        (get(more="Content-Length: 5\r\n") + b"hello", 413),
        (get(more="Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n", 413),
        (get(more="Host: localhost\r\n"), 400),
        (b"GET /page HTTP/1.1\r\n\r\n", 400),
        (get(more=f"X: {'x' * 20_000}\r\n"), 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"\x00" * 50_000, 400),
        (b"nonsense\r\n\r\n", 400),
    ],
)
async def test_refused_requests(request_: bytes, expected: int) -> None:
    async with listening() as (_, port):
        answer = await exchange(port, request_)
        assert status(answer) == expected
        assert b"alive" not in answer
        assert status(await exchange(port, get())) == 200


async def test_beyond_loopback_the_names_of_this_machine_are_accepted() -> None:
    listener = AdminListener("0.0.0.0", 0, {"/page": _alive})
    address = await listener.start()
    assert address
    port = int(address.rpartition(":")[2])
    for host, expected in {"127.0.0.1": 200, f"{socket.gethostname()}:{port}": 200, "evil.example": 421}.items():
        assert status(await exchange(port, get(host=host))) == expected
    listener.close()


async def test_clients_that_leave_do_no_harm() -> None:
    async with listening() as (_, port):
        for request_start in (b"", b"GET /pa", get()):
            await exchange(port, request_start, end=True)
        assert status(await exchange(port, get())) == 200


@pytest.mark.parametrize("request_start", [b"", b"GET /page HTTP/1.1\r\nHost: localhost\r\n"])
async def test_a_slow_client_is_disconnected(request_start: bytes) -> None:
    async with listening(time_limit=0.2) as (_, port):
        began = asyncio.get_running_loop().time()
        assert await exchange(port, request_start) == b""
        assert asyncio.get_running_loop().time() - began < 30


async def test_a_client_that_does_not_read_is_disconnected() -> None:
    async with listening(time_limit=0.2) as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(get("/long"))
        await asyncio.sleep(0.5)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(20_000_000)
        writer.close()


async def test_connections_are_bounded() -> None:
    async with listening(time_limit=5.0) as (_, port):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS)]
        assert await exchange(port, get()) == b""
        for _, writer in idle:
            writer.close()
        async with asyncio.timeout(30):
            while not (answer := await exchange(port, get())):
                pass
        assert status(answer) == 200


async def test_closing_drops_connections_and_frees_the_port() -> None:
    async with listening() as (listener, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        # Connections are accepted in order, so the first one is open now.
        assert status(await exchange(port, get())) == 200
        listener.close()
        assert await reader.read() == b""
        writer.close()
        second = AdminListener("127.0.0.1", port, {})
        assert await second.start() == f"127.0.0.1:{port}"
        with pytest.raises(OSError, match="in use"):
            await AdminListener("127.0.0.1", port, {}).start()
        second.close()


async def test_a_listener_that_was_closed_does_not_start() -> None:
    listener = AdminListener("127.0.0.1", 0, {})
    listener.close()
    assert await listener.start() is None


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1:9100", "[::1]:9100", "127.3.2.1", "worker-1", "10.0.0.5:80"]
)
def test_own_hosts(host: str) -> None:
    assert is_own_host(host, {"worker-1", "10.0.0.5"})


@pytest.mark.parametrize(
    "host", ["", ":80", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.6", "worker-1:x",
             "a b", "localhost:80:80", "[]", "[::2]", "localhost/"],
)  # fmt: skip
def test_other_hosts(host: str) -> None:
    assert not is_own_host(host, {"worker-1", "10.0.0.5"})
