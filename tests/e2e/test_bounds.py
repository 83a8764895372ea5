"""Endless answers of every kind: memory stays bounded, the client gets an error, and the proxy works on."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.memory import Memory
from support.running import Proxy, mitmdump
from support.scripted import ANSWER, HEAD, Scripted, scripted

from codex_transform.zstd import zstd

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

MEBIBYTE = 1024 * 1024
HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello"}

CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain\r\n\r\n"
DELTA = b'data: {"type":"response.output_text.delta","output_index":0,"delta":"x"}\n\n'

# By name: what is sent once, what is then sent for ever, and the status that the client gets.
ENDLESS = {
    "head": (b"HTTP/1.1 200 OK\r\nX: ", b"x", 502),
    "chunk size": (CHUNKED + b"1", b"0", 502),
    "chunk extension": (CHUNKED + b"1;", b"x", 502),
    "JSON": (JSON + b'{"id": "', b"x", 502),
    "error": (FAILED, b"oops ", 500),
}
# These are passed on to a streaming client as they arrive.
STREAMS = {
    "line": (HEAD + b"\r\ndata: ", b"x", 502),
    "events": (HEAD + b"\r\n", DELTA, 502),
    "empty lines": (HEAD + b"\r\n", b"\n", 502),
}


@pytest.fixture
def endpoint() -> Iterator[Scripted]:
    """An endpoint that answers the first request with the test's `begin` and `unit`, and later ones properly."""

    def play(endpoint: Scripted, client: socket.socket, number: int) -> None:
        endpoint.read(client)
        if number:
            client.sendall(ANSWER)
            return
        begin, unit = endpoint.material
        try:
            client.sendall(begin)
            piece = unit * (MEBIBYTE // len(unit))
            while True:
                client.sendall(piece)
        except OSError:
            endpoint.disconnected.release()

    with scripted(play) as endpoint:
        yield endpoint


@pytest.fixture
def proxy(tmp_path: Path, endpoint: Scripted) -> Iterator[Proxy]:
    with mitmdump(tmp_path / "home", endpoint) as running:
        yield running


def check(proxy: Proxy, endpoint: Scripted, begin: bytes, unit: bytes, *, streaming: bool) -> tuple[int, str]:
    """Assert that the answer is ended in bounded memory; return the status and message that the client gets."""
    endpoint.material = begin, unit
    memory = Memory(proxy)
    status, headers, body = proxy.send({**HELLO, "stream": streaming})
    assert headers["content-type"] == "application/json"
    assert len(body) < 4096
    assert endpoint.disconnected.acquire(timeout=30), "the endpoint was not left"
    assert memory.growth() < 160 * MEBIBYTE
    assert proxy.send({**HELLO, "stream": True})[0] == 200
    return status, json.loads(body)["error"]["message"]


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_answer_is_ended_for_a_streaming_client(proxy: Proxy, endpoint: Scripted, name: str) -> None:
    begin, unit, expected = ENDLESS[name]
    status, message = check(proxy, endpoint, begin, unit, streaming=True)
    assert status == expected
    assert message


@pytest.mark.parametrize("name", [*ENDLESS, *STREAMS])
def test_an_endless_answer_is_ended_for_a_client_that_does_not_stream(
    proxy: Proxy, endpoint: Scripted, name: str
) -> None:
    begin, unit, expected = (ENDLESS | STREAMS)[name]
    status, message = check(proxy, endpoint, begin, unit, streaming=False)
    assert status == expected
    assert message


@pytest.mark.parametrize("streaming", [True, False])
def test_a_decompression_bomb_is_not_expanded_in_memory(proxy: Proxy, endpoint: Scripted, streaming: bool) -> None:
    bomb = zstd.compress(bytes(512 * MEBIBYTE), 19)
    head = HEAD + b"Content-Encoding: zstd\r\nContent-Length: 10000000000\r\n\r\n"
    status, message = check(proxy, endpoint, head + bomb, bomb, streaming=streaming)
    assert status == 502
    assert "MB" in message


def test_a_client_that_never_reads_stops_the_endpoint(proxy: Proxy, endpoint: Scripted) -> None:
    """The proxy reads from the endpoint only as fast as the client reads, so memory does not grow."""
    endpoint.material = HEAD + b"\r\n", DELTA
    memory = Memory(proxy)
    body = json.dumps({**HELLO, "stream": True}).encode()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(
            b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nHost: api.openai.com\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        assert client.recv(1)
        # It would have ended if the proxy had read everything from it.
        assert not endpoint.disconnected.acquire(timeout=2)
        assert proxy.send({**HELLO, "stream": True})[0] == 200
    assert endpoint.disconnected.acquire(timeout=30), "the client's leaving was not passed on"
    assert memory.growth() < 32 * MEBIBYTE


def test_a_body_sent_before_the_password_is_not_kept(tmp_path: Path, endpoint: Scripted) -> None:
    """The body of a client that must first send a password is not kept."""
    size = 128 * MEBIBYTE
    with mitmdump(tmp_path / "home", endpoint, "--proxyauth", "user:password") as proxy:
        memory = Memory(proxy)
        status, _, _ = proxy.send(bytes(size))
        assert status == 407
        assert memory.growth() < size // 4


WEBSOCKET = {"connection": "upgrade", "upgrade": "websocket", "sec_websocket_version": "13"}


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/v1/responses", "POST", {}),
        ("/v1/conversations", "POST", {}),
        ("/v1/models", "GET", {}),
        ("/v1/responses", "GET", {**WEBSOCKET, "sec_websocket_key": "dGhlIHNhbXBsZSBub25jZQ=="}),
    ],
)
def test_a_request_that_is_too_long_is_refused_and_not_kept(
    proxy: Proxy, endpoint: Scripted, path: str, method: str, headers: dict[str, str]
) -> None:
    memory = Memory(proxy)
    status, _, body = proxy.send(b'{"input": "' + bytes(300 * MEBIBYTE), path, method, **headers)
    assert (status, json.loads(body)["error"]["code"]) == (400, "context_length_exceeded")
    assert "64 MB" in json.loads(body)["error"]["message"]
    assert memory.growth() < 160 * MEBIBYTE
    assert endpoint.requests == []
