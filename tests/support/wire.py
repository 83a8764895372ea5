"""HTTP/1 as bytes, sent and received without a library that would correct them."""

import json
import re
import socket
import sys
from contextlib import suppress
from typing import Any

BODY = json.dumps({"model": "gpt-5.1-codex", "input": "say hello"}).encode()


TUNNEL = b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n"


def post(
    target: bytes = b"http://api.openai.com/v1/responses",
    extra: bytes = b"",
    *,
    host: bytes = b"api.openai.com",
    length: bytes | None = b"%d" % len(BODY),
    body: bytes = BODY,
    start: bytes = b"POST %s HTTP/1.1",
) -> bytes:
    """Return a request that is well formed except for the parts given. `extra` are header lines."""
    if length is not None:
        extra += b"Content-Length: " + length + b"\r\n"
    return start % target + b"\r\nHost: " + host + b"\r\n" + extra + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def talk(
    port: int,
    data: bytes,
    *,
    host: str = "127.0.0.1",
    more: int = 0,
    may_be_reset: bool = False,
    until_closed: bool = False,
    timeout: float = 30,
) -> bytes:
    """Send these bytes, and then `more` blocks of 64 KiB, and return one whole answer.

    With `until_closed`, return everything until the connection ends or nothing arrives for `timeout` seconds. The
    connection must not be reset, unless it `may_be_reset`.
    """
    answer = b""
    cut = (ConnectionError,) if may_be_reset else ()
    with socket.create_connection((host, port), timeout=timeout) as client, suppress(TimeoutError, *cut):
        with suppress(*cut):
            client.sendall(data)
            for _ in range(more):
                client.sendall(bytes(65536))
        while (until_closed or not is_complete(answer)) and (piece := client.recv(65536)):
            answer += piece
    return answer


def is_complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


def status(answer: bytes) -> int:
    match = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(match[1]) if match else 0


def error(answer: bytes) -> dict[str, Any]:
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2])["error"])


if __name__ == "__main__":
    # When run on another machine: host, port, bytes in hexadecimal, number of blocks; it prints hexadecimal too.
    address, number, request, blocks = sys.argv[1:]
    received = talk(int(number), bytes.fromhex(request), host=address, more=int(blocks), may_be_reset=True)
    sys.stdout.write(received.hex())
