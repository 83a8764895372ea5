"""A host of raw files for tests: a real HTTP server on loopback with faults that a test can set."""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NEW_PATH = "codex-rs/models-manager/models.json"
OLD_PATH = "codex-rs/core/models.json"


def catalogue(*slugs: str, text: str = "instructions", facts: Mapping[str, Mapping[str, Any]] | None = None) -> bytes:
    """Return a models.json like the Codex CLI's, reduced to what is read; each model's instructions name its slug.

    `facts` are more members, by slug; models that have some are listed too.
    """
    more = facts or {}
    rows = [{"slug": slug, "base_instructions": f"{text} of {slug}", **more.get(slug, {})} for slug in (*slugs, *more)]
    return json.dumps({"models": rows}).encode()


def levels(*efforts: str) -> dict[str, Any]:
    """Return the member of a row that lists the efforts of a model."""
    return {"supported_reasoning_levels": [{"effort": effort, "description": "words"} for effort in efforts]}


@dataclass(frozen=True)
class Answer:
    """The response for a path.

    An `etag` makes it conditional. With `cut`, only that number of bytes of the body is sent; `drip` sends the bytes
    one by one. Until the host closes, `linger` keeps the connection open after the body, and `hang` sends nothing.
    """

    body: bytes = b""
    status: int = 200
    etag: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    announce: bool = True
    cut: int | None = None
    drip: bool = False
    linger: bool = False
    hang: bool = False


@dataclass(frozen=True)
class ReceivedRequest:
    """One request that was received."""

    target: str
    headers: dict[str, str]


class RawHost:
    """The server: `answers` by path below the root; other paths get 404. `requests` are those received so far."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[ReceivedRequest] = []
        self.hanging = threading.Event()
        self.closing = threading.Event()
        self._server = _Server(self)
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.root = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def targets(self) -> list[str]:
        """Return the paths requested since the last call."""
        targets = [request.target.removeprefix("/") for request in self.requests]
        self.requests.clear()
        return targets


@contextmanager
def raw_host(tls: ssl.SSLContext | None = None) -> Iterator[RawHost]:
    host = RawHost(tls)
    try:
        yield host
    finally:
        host.close()


class _Server(ThreadingHTTPServer):
    # Every request is handled to its end before the test ends.
    daemon_threads = False

    def __init__(self, host: RawHost) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.host = host

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print nothing: some tests are about clients that leave early."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        host = self.server.host
        host.requests.append(ReceivedRequest(self.path, {name.lower(): value for name, value in self.headers.items()}))
        answer = host.answers.get(self.path.removeprefix("/"), Answer(b"404: Not Found", 404))
        if answer.hang:
            host.hanging.set()
            host.closing.wait(10)
            return
        if answer.etag is not None and self.headers["If-None-Match"] == answer.etag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(answer.status)
        if answer.announce:
            self.send_header("Content-Length", str(len(answer.body)))
        if answer.etag is not None:
            self.send_header("ETag", answer.etag)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        body = answer.body[: answer.cut]
        if answer.drip:
            for byte in body:
                self.wfile.write(bytes([byte]))
                if host.closing.wait(0.01):
                    return
        else:
            self.wfile.write(body)
        if answer.linger:
            host.closing.wait(10)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""
