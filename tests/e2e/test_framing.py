"""HTTP/1 as endpoints write it, and connections that they close at any time."""

import json
import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from support.running import mitmdump
from support.scripted import ANSWER, HEAD, WHOLE, Scripted, scripted
from support.waiting import eventually

from codex_transform.sandbox import running

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello"}
CHUNKS = b"%x\r\n%s\r\n0\r\n" % (len(WHOLE), WHOLE)

Play = Callable[[Scripted, socket.socket, int], None]


@contextmanager
def asking(folder: Path, play: Play) -> Iterator[tuple[Scripted, Callable[[bool], tuple[int, bytes]]]]:
    """Run such an endpoint, and yield it and a function that sends requests over one connection to the proxy."""
    with scripted(play) as endpoint, mitmdump(folder / "home", endpoint) as proxy:
        client = HTTPConnection("127.0.0.1", proxy.port, timeout=30)

        def ask(streaming: bool) -> tuple[int, bytes]:
            body = json.dumps({**HELLO, "stream": streaming}).encode()
            client.request("POST", "http://api.openai.com/v1/responses", body)
            answer = client.getresponse()
            return answer.status, answer.read()

        try:
            yield endpoint, ask
        finally:
            client.close()


def always(answer: bytes) -> Play:
    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        while endpoint.read(client):
            client.sendall(answer)

    return play


def is_whole(answer: tuple[int, bytes]) -> bool:
    status, body = answer
    return status == 200 and (b"response.completed" in body or json.loads(body)["status"] == "completed")


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n" + CHUNKS + b"X-Sum: 1\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + CHUNKS + b"\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ANSWER,
        b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ANSWER,
    ],
    ids=["trailers", "two lengths", "an interim response", "two interim responses"],
)
def test_valid_or_harmless_framing_is_accepted(tmp_path: Path, answer: bytes) -> None:
    """The response is accepted, and the endpoint's connection is reused for the next request."""
    with asking(tmp_path, always(answer)) as (endpoint, ask):
        assert is_whole(ask(True))
        assert is_whole(ask(False))
        assert is_whole(ask(True))
        assert len(endpoint.requests) == 3


@pytest.mark.parametrize(
    "answer",
    [
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + WHOLE,
        HEAD + b"X y: a\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    ],
    ids=["lengths that differ", "a space in a name", "another protocol"],
)
def test_responses_that_are_not_http_are_errors(tmp_path: Path, answer: bytes) -> None:
    with asking(tmp_path, always(answer)) as (_, ask):
        for streaming in (True, False, True):
            status, body = ask(streaming)
            assert status == 502
            assert "no proper HTTP" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("reset", [False, True])
def test_a_request_is_sent_again_if_its_kept_connection_was_closed(tmp_path: Path, reset: bool) -> None:
    """The endpoint closes a connection as idle just when a request is sent on it: the request is sent again."""

    def play(endpoint: Scripted, client: socket.socket, number: int) -> None:
        while endpoint.read(client):
            if (number, len(endpoint.requests)) == (0, 2):
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            client.sendall(ANSWER)

    with asking(tmp_path, play) as (endpoint, ask):
        assert is_whole(ask(True))
        assert is_whole(ask(True))
        assert is_whole(ask(False))
        first, second, again, fourth = endpoint.requests
        assert second == again
        assert all(b"Bearer " + endpoint.key.encode() in asked for asked in (first, again, fourth))


def test_a_request_is_sent_no_more_than_twice(tmp_path: Path) -> None:
    """Whether because its connection was closed or because of `codex_retries`."""

    def play(endpoint: Scripted, client: socket.socket, number: int) -> None:
        endpoint.read(client)
        if number == 0:
            client.sendall(ANSWER)
            endpoint.read(client)

    with asking(tmp_path, play) as (endpoint, ask):
        assert is_whole(ask(True))
        assert ask(True)[0] == 502
        assert len(endpoint.requests) == 3
        assert ask(True)[0] == 502
        assert len(endpoint.requests) == 5


def test_a_closed_connection_is_not_reused(tmp_path: Path) -> None:
    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        endpoint.read(client)
        client.sendall(ANSWER)

    with asking(tmp_path, play) as (endpoint, ask):
        assert all(is_whole(ask(True)) for _ in range(3))
        assert len(endpoint.requests) == 3


def test_faults_leave_no_open_files_or_threads(tmp_path: Path) -> None:
    """After faults of every kind there are as many open files and threads as before them."""
    names = ["cut@0", "cut@4", "reset@4", "hang@4", "hang-before-head", "half-head", "bad-chunk", "html-200"]
    with running() as sandbox, mitmdump(tmp_path / "home", sandbox, CODEX_IDLE_TIMEOUT="1") as proxy:
        opened = Path(f"/proc/{proxy.process.pid}/fd")
        if not opened.exists():
            pytest.skip("the open files of another process are read from /proc")
        proxy.send({**HELLO, "stream": True})

        def count() -> tuple[int, int]:
            return len(list(opened.iterdir())), len(list((opened.parent / "task").iterdir()))

        def ask(name: str) -> None:
            for streaming in (True, False):
                proxy.send({**HELLO, "stream": streaming}, x_sandbox_misbehave=name)

        def settled() -> bool:
            return all(now <= then for now, then in zip(count(), before, strict=True))

        before = count()
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(ask, names))
        assert eventually(settled), (before, count())
