"""Valid requests that few clients send: trailers, empty lines, other encodings, lists of protocols."""

import gzip
import json
import socket
import zlib
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
from support.running import Proxy

from codex_transform.sandbox import Sandbox
from codex_transform.zstd import zstd

HELLO = json.dumps({"model": "gpt-5.1-codex", "input": "say hello", "stream": True}).encode()
HEAD = b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: Bearer sk-x\r\n"
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n" % len(HELLO) + HELLO
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n%x\r\n%b\r\n0\r\n" % (len(HELLO), HELLO)


@pytest.fixture
def client(quiet_proxy: Proxy) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", quiet_proxy.port), 30)) as connection:
        yield connection


def answer(client: socket.socket) -> tuple[int, bytes]:
    with closing(HTTPResponse(client, method="POST")) as response:
        response.begin()
        return response.status, response.read()


def is_whole(came: tuple[int, bytes]) -> bool:
    status, body = came
    return status == 200 and b"response.completed" in body


def test_trailers_are_ignored(client: socket.socket, shared_sandbox: Sandbox) -> None:
    """They may be ignored (RFC 9112 section 7.1.2), and the connection is reused for the next request."""
    for _ in range(2):
        client.sendall(CHUNKED + b"X-Sum: 1\r\n\r\n")
        assert is_whole(answer(client))
        assert "x-sum" not in {name.lower() for name in shared_sandbox.requests[-1]["headers"]}


@pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n", b"\r\n" * 5000])
def test_empty_lines_before_a_request_are_ignored(client: socket.socket, lines: bytes) -> None:
    for _ in range(2):
        client.sendall(lines + WHOLE)
        assert is_whole(answer(client))


def test_an_empty_line_that_arrives_first_is_ignored(client: socket.socket, quiet_proxy: Proxy) -> None:
    client.sendall(b"\r\n")
    assert quiet_proxy.send(HELLO)[0] == 200
    client.sendall(WHOLE)
    assert is_whole(answer(client))


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("x-gzip", gzip.compress(HELLO)),
        ("deflate", zlib.compress(HELLO)),
        ("br", brotli.compress(HELLO)),
        ("zstd", zstd.compress(HELLO)),
        ("gzip, br", brotli.compress(gzip.compress(HELLO))),
    ],
    # Not a hash of the bytes, because gzip's contain the time.
    ids=["x-gzip", "deflate", "br", "zstd", "two"],
)
def test_an_encoded_body_is_decoded(quiet_proxy: Proxy, shared_sandbox: Sandbox, encoding: str, packed: bytes) -> None:
    assert quiet_proxy.send(packed, content_encoding=encoding)[0] == 200
    assert json.dumps(shared_sandbox.requests[-1]["body"]["input"]).count("say hello") == 1


@pytest.mark.parametrize(
    ("encoding", "packed", "says"),
    [
        ("gzip", gzip.compress(HELLO)[:-9], "ends too early"),
        ("gzip", gzip.compress(bytes(70_000_000)), "more than 64 MB"),
        ("zip", HELLO, "unknown content encoding 'zip'"),
    ],
    ids=["cut off", "a bomb", "unknown"],
)
def test_a_body_that_cannot_be_decoded_is_refused(
    quiet_proxy: Proxy, shared_sandbox: Sandbox, encoding: str, packed: bytes, says: str
) -> None:
    before = len(shared_sandbox.requests)
    status, _, came = quiet_proxy.send(packed, content_encoding=encoding)
    error: dict[str, Any] = json.loads(came)["error"]
    assert (status, error["param"]) == (400, "content-encoding")
    assert says in error["message"]
    assert len(shared_sandbox.requests) == before


def test_a_websocket_among_other_protocols_is_recognized(quiet_proxy: Proxy) -> None:
    status, _, _ = quiet_proxy.send(b"", method="GET", upgrade="h2c, WebSocket", connection="Upgrade")
    assert status == 426
