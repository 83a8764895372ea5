"""The benchmark's load client: raw sockets, one `select` loop, nothing parsed before the time is taken.

Strategy: pieces are kept with the moment of their arrival; what they hold is looked at when the exchange is over, so
that a slow client does not look like a slow proxy. An answer that is not the expected one raises: a benchmark of
errors is worth nothing.
"""

import re
import selectors
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

PATIENCE = 60.0  # seconds for one exchange

_STAMP = re.compile(rb'"delta": ?"(\d{19})"')
_EVENT = re.compile(rb"^data: ?\{", re.MULTILINE)
_CLOSES = re.compile(rb"^connection: close\r$", re.MULTILINE | re.IGNORECASE)
_END = b"\r\n0\r\n\r\n"
_SIZE = 1 << 18
_TEXT = 0x81  # the first byte of a text message in one frame
_PING = b"\x89\x00"  # comes at any time, also right behind the end of an answer


class BenchError(Exception):
    """What was measured was not what was meant; the message says what came instead."""


class Target(NamedTuple):
    """Where requests go: a proxy, or the endpoint itself. `name` is what the table calls it.

    `header` is a header field that it hands on: the endpoint reads there which answer to give.
    """

    name: str
    port: int
    url: str
    pid: int
    header: str = "x-bench"


class Connection:
    """A connection to a target, for one request after the other. Times are in seconds, of the monotonic clock."""

    def __init__(self, target: Target, tls: bool = False) -> None:
        self.target = target
        self.sent = self.first = self.ended = 0.0
        self.pieces: list[tuple[float, bytes]] = []
        self.size = 0
        self._tail = b""
        self._keep = True
        self._closes = False
        self._connect()
        self._url = target.url
        if tls:
            self._secure()

    def send(self, body: bytes, answer: str, *, keep: bool = True) -> None:
        """Sends a request for this answer of the endpoint's. Without `keep` what comes is only counted."""
        self.pieces.clear()
        self.size, self._tail, self._keep = 0, b"", keep
        self.first = self.ended = 0.0
        if self._closes:
            self.socket.close()
            self._connect()
        head = (
            f"POST {self._url} HTTP/1.1\r\nhost: api.openai.com\r\nauthorization: Bearer sk-dummy-of-the-benchmark\r\n"
            "user-agent: opencode/1.18 ai-sdk/provider-utils bun/1.3\r\naccept: */*\r\nsession-id: ses_0123456789\r\n"
            f"accept-encoding: gzip, deflate, br, zstd\r\ncontent-type: application/json\r\n"
            f"{self.target.header}: {answer}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        request = head.encode() + body
        self.sent = time.monotonic()
        self.socket.sendall(request)

    def receive(self) -> None:
        """Takes what has come; `ended` is set when that was the last of it."""
        piece = self.socket.recv(_SIZE)
        while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            piece += self.socket.recv(_SIZE)
        now = time.monotonic()
        if not piece:
            raise BenchError(f"{self.target.name} closed the connection after {self.size} bytes")
        if not self.first:
            self._expect_success(piece)
            self._closes |= bool(_CLOSES.search(piece))
            # A proxy may send the head before the first event.
            if b"data:" in piece:
                self.first = now
        if self._keep:
            self.pieces.append((now, piece))
        self.size += len(piece)
        self._tail = (self._tail + piece[-len(_END) :])[-len(_END) :]
        if self._tail == _END:
            self.ended = now

    def events(self) -> int:
        """How many events came."""
        return len(_EVENT.findall(unchunk(b"".join(piece for _, piece in self.pieces))))

    def delays(self) -> Iterator[tuple[float, float]]:
        """When each event whose text is a time left the endpoint, and how long it took."""
        for came, piece in self.pieces:
            for stamp in _STAMP.findall(piece):
                sent = int(stamp) / 1e9
                yield sent, came - sent

    def close(self) -> None:
        self.socket.close()

    def _connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.target.port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _expect_success(self, piece: bytes) -> None:
        if not self.size and not piece.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"{self.target.name} answered {piece[:500]!r}")

    def _secure(self) -> None:
        """Asks for a tunnel and begins TLS in it, as a client does whose HTTPS_PROXY this is."""
        self.socket.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\n\r\n")
        self._expect_success(self.socket.recv(_SIZE))
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname="api.openai.com")
        self._url = "/v1/responses"


class SocketConnection(Connection):
    """The same over a WebSocket: each event is a text message, of which the first and the last are looked at."""

    def __init__(self, target: Target, answer: str) -> None:
        super().__init__(target)
        self.socket.sendall(b"CONNECT api.openai.com:80 HTTP/1.1\r\nhost: api.openai.com:80\r\n\r\n")
        self._expect_success(self.socket.recv(_SIZE))
        self.socket.sendall(
            b"GET /v1/responses HTTP/1.1\r\nhost: api.openai.com\r\nauthorization: Bearer sk-dummy-of-the-benchmark\r\n"
            b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nuser-agent: opencode/1.18 bun/1.3\r\n"
            b"x-bench: %s\r\n\r\n" % answer.encode()
        )
        opened = self.socket.recv(_SIZE)
        if not opened.startswith(b"HTTP/1.1 101"):
            raise BenchError(f"{target.name} answered {opened[:500]!r}")

    def send(self, body: bytes, answer: str, *, keep: bool = True) -> None:  # noqa: ARG002
        """Sends a request as one message; the answer was chosen when the WebSocket was opened."""
        self.pieces.clear()
        self.size, self._tail, self._keep = 0, b"", keep
        self.first = self.ended = 0.0
        message = b'{"type":"response.create",' + body[1:]
        # A mask of zeros leaves the message as it is (RFC 6455 section 5.3).
        size = len(message)
        length = b"\xfe" + size.to_bytes(2) if size < 1 << 16 else b"\xff" + size.to_bytes(8)
        frame = b"\x81" + length + bytes(4) + message
        self.sent = time.monotonic()
        self.socket.sendall(frame)

    def receive(self) -> None:
        """Takes what has come; `ended` is set when that was the last of it."""
        piece = self.socket.recv(_SIZE)
        now = time.monotonic()
        if not piece:
            raise BenchError(f"{self.target.name} closed the WebSocket after {self._tail[-200:]!r}")
        self.first = self.first or now
        if self._keep:
            self.pieces.append((now, piece))
        self.size += len(piece)
        self._tail = (self._tail + piece)[-_SIZE:]
        if piece.removesuffix(_PING).endswith(b"}}") and b'"type":"response.completed"' in self._tail:
            self.ended = now

    def events(self) -> int:
        """How many messages came."""
        data, at, count = b"".join(piece for _, piece in self.pieces), 0, 0
        while at < len(data):
            size = data[at + 1]
            wide = {126: 2, 127: 8}.get(size, 0)
            if wide:
                size = int.from_bytes(data[at + 2 : at + 2 + wide])
            count += data[at] == _TEXT  # a ping is none
            at += 2 + wide + size
        return count


def exchange(connections: Sequence[Connection]) -> None:
    """Receives on all connections until every answer has ended. Raises BenchError when one does not come."""
    deadline = time.monotonic() + PATIENCE
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            ready = selector.select(max(deadline - time.monotonic(), 0))
            if not ready:
                raise BenchError(f"no answer from {connections[0].target.name} within {PATIENCE:.0f} seconds")
            for key, _ in ready:
                key.data.receive()
                if key.data.ended:
                    selector.unregister(key.fileobj)


def collect(connections: Sequence[Connection], patience: float) -> None:
    """Receives on all connections until every answer has ended, or failed, or `patience` seconds are over."""
    deadline = time.monotonic() + patience
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map() and (ready := selector.select(max(deadline - time.monotonic(), 0))):
            for key, _ in ready:
                try:
                    key.data.receive()
                    over = bool(key.data.ended)
                except (BenchError, OSError):
                    over = True
                if over:
                    selector.unregister(key.fileobj)


def unchunk(answer: bytes) -> bytes:
    """The body of a whole answer in chunks, its head left out."""
    at = answer.index(b"\r\n\r\n") + 4
    parts = []
    while size := int(answer[at : (end := answer.index(b"\r\n", at))], 16):
        parts.append(answer[end + 2 : end + 2 + size])
        at = end + 4 + size
    return b"".join(parts)
