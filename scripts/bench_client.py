"""The benchmark's HTTP client: raw sockets and one `select` loop; nothing is parsed before the time is taken.

Strategy: received data is stored with its time and parsed only after the exchange, so that the client's own speed does
not count as the proxy's. An unexpected response raises an error, because timing failed calls would mean nothing.
"""

import re
import selectors
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

TIMEOUT = 60.0  # seconds for one exchange

_TIMESTAMP = re.compile(rb'"delta": ?"(\d{19})"')
_EVENT = re.compile(rb"^data: ?\{", re.MULTILINE)
_CONNECTION_CLOSE = re.compile(rb"^connection: close\r$", re.MULTILINE | re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_BUFFER_SIZE = 1 << 18
_TEXT = 0x81  # the first byte of an unfragmented text message
_PING = b"\x89\x00"  # may follow anything, also the end of a response


class BenchError(Exception):
    """The benchmark did not measure what it meant to; the message says what happened instead."""


class Target(NamedTuple):
    """Where requests are sent: a proxy, or the endpoint itself. `name` is its name in the table.

    `header` is a request header that it forwards; its value tells the endpoint which response to send.
    """

    name: str
    port: int
    url: str
    pid: int
    header: str = "x-bench"


class Connection:
    """A connection to a target, for one request at a time.

    Of the latest exchange, `sent_at`, `first_event_at` and `ended_at` are times of the monotonic clock in seconds, 0.0
    until then; `received` is the data with its times of arrival, and `size` how many bytes there were.
    """

    def __init__(self, target: Target, tls: bool = False) -> None:
        self.target = target
        self.sent_at = self.first_event_at = self.ended_at = 0.0
        self.received: list[tuple[float, bytes]] = []
        self.size = 0
        self._tail = b""
        self._keep = True
        self._must_reconnect = False
        self._connect()
        self._url = target.url
        if tls:
            self._start_tls()

    @property
    def first_event_ms(self) -> float:
        """Milliseconds from the request to the first event."""
        return 1000 * (self.first_event_at - self.sent_at)

    @property
    def total_ms(self) -> float:
        """Milliseconds from the request to the end of the response."""
        return 1000 * (self.ended_at - self.sent_at)

    def send(self, body: bytes, response: str, *, keep: bool = True) -> None:
        """Send a request for one of the endpoint's responses, such as "deltas 5000".

        Without `keep`, received data is counted and not stored.
        """
        self._reset(keep)
        if self._must_reconnect:
            self.socket.close()
            self._connect()
        head = (
            f"POST {self._url} HTTP/1.1\r\nhost: api.openai.com\r\nauthorization: Bearer sk-dummy-of-the-benchmark\r\n"
            "user-agent: opencode/1.18 ai-sdk/provider-utils bun/1.3\r\naccept: */*\r\nsession-id: ses_0123456789\r\n"
            f"accept-encoding: gzip, deflate, br, zstd\r\ncontent-type: application/json\r\n"
            f"{self.target.header}: {response}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        request = head.encode() + body
        self.sent_at = time.monotonic()
        self.socket.sendall(request)

    def receive(self) -> None:
        """Receive what has arrived, and set `ended_at` if that completes the response. Raises BenchError."""
        data = self.socket.recv(_BUFFER_SIZE)
        while isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            data += self.socket.recv(_BUFFER_SIZE)
        now = time.monotonic()
        if not data:
            raise BenchError(f"{self.target.name} closed the connection after {self.size} bytes")
        if not self.first_event_at:
            if not self.size:
                self._require_status_200(data)
            self._must_reconnect |= bool(_CONNECTION_CLOSE.search(data))
            # A proxy may send the headers before the first event.
            if b"data:" in data:
                self.first_event_at = now
        if self._keep:
            self.received.append((now, data))
        self.size += len(data)
        self._tail = (self._tail + data[-len(_LAST_CHUNK) :])[-len(_LAST_CHUNK) :]
        if self._tail == _LAST_CHUNK:
            self.ended_at = now

    def events(self) -> int:
        """Return how many events arrived."""
        return len(_EVENT.findall(unchunk(b"".join(data for _, data in self.received))))

    def delays(self) -> Iterator[tuple[float, float]]:
        """Yield when the endpoint sent each event that carries a timestamp, and how long it took to arrive."""
        for arrived_at, data in self.received:
            for timestamp in _TIMESTAMP.findall(data):
                sent_at = int(timestamp) / 1e9
                yield sent_at, arrived_at - sent_at

    def close(self) -> None:
        self.socket.close()

    def _reset(self, keep: bool) -> None:
        self.received.clear()
        self.size, self._tail, self._keep = 0, b"", keep
        self.first_event_at = self.ended_at = 0.0

    def _connect(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.target.port), TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _require_status_200(self, data: bytes) -> None:
        if not data.startswith(b"HTTP/1.1 200"):
            raise BenchError(f"{self.target.name} answered {data[:500]!r}")

    def _start_tls(self) -> None:
        """Open a tunnel and start TLS in it, as a client does with HTTPS_PROXY."""
        self.socket.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\n\r\n")
        self._require_status_200(self.socket.recv(_BUFFER_SIZE))
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname="api.openai.com")
        self._url = "/v1/responses"


class WebSocketConnection(Connection):
    """The same over a WebSocket: each event is a text message. The end is recognized by the last event."""

    def __init__(self, target: Target, response: str) -> None:
        super().__init__(target)
        self.socket.sendall(b"CONNECT api.openai.com:80 HTTP/1.1\r\nhost: api.openai.com:80\r\n\r\n")
        self._require_status_200(self.socket.recv(_BUFFER_SIZE))
        self.socket.sendall(
            b"GET /v1/responses HTTP/1.1\r\nhost: api.openai.com\r\nauthorization: Bearer sk-dummy-of-the-benchmark\r\n"
            b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n"
            b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nuser-agent: opencode/1.18 bun/1.3\r\n"
            b"x-bench: %s\r\n\r\n" % response.encode()
        )
        handshake = self.socket.recv(_BUFFER_SIZE)
        if not handshake.startswith(b"HTTP/1.1 101"):
            raise BenchError(f"{target.name} answered {handshake[:500]!r}")

    def send(self, body: bytes, response: str, *, keep: bool = True) -> None:  # noqa: ARG002
        """Send a request as one message; the response was chosen by the handshake."""
        self._reset(keep)
        message = b'{"type":"response.create",' + body[1:]
        # A mask of zeros leaves the message as it is (RFC 6455 section 5.3).
        size = len(message)
        length = b"\xfe" + size.to_bytes(2) if size < 1 << 16 else b"\xff" + size.to_bytes(8)
        frame = b"\x81" + length + bytes(4) + message
        self.sent_at = time.monotonic()
        self.socket.sendall(frame)

    def receive(self) -> None:
        """Receive what has arrived, and set `ended_at` if that completes the response. Raises BenchError."""
        data = self.socket.recv(_BUFFER_SIZE)
        now = time.monotonic()
        if not data:
            raise BenchError(f"{self.target.name} closed the WebSocket after {self._tail[-200:]!r}")
        self.first_event_at = self.first_event_at or now
        if self._keep:
            self.received.append((now, data))
        self.size += len(data)
        self._tail = (self._tail + data)[-_BUFFER_SIZE:]
        if data.removesuffix(_PING).endswith(b"}}") and b'"type":"response.completed"' in self._tail:
            self.ended_at = now

    def events(self) -> int:
        """Return how many text messages arrived."""
        data, position, count = b"".join(data for _, data in self.received), 0, 0
        while position < len(data):
            size = data[position + 1]
            extended = {126: 2, 127: 8}.get(size, 0)  # bytes of the extended payload length
            if extended:
                size = int.from_bytes(data[position + 2 : position + 2 + extended])
            count += data[position] == _TEXT
            position += 2 + extended + size
        return count


def exchange(connections: Sequence[Connection]) -> None:
    """Receive on all connections until all responses are complete. Raises BenchError if one does not arrive."""
    deadline = time.monotonic() + TIMEOUT
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map():
            ready = selector.select(max(deadline - time.monotonic(), 0))
            if not ready:
                raise BenchError(f"no response from {connections[0].target.name} within {TIMEOUT:.0f} seconds")
            for key, _ in ready:
                key.data.receive()
                if key.data.ended_at:
                    selector.unregister(key.fileobj)


def collect(connections: Sequence[Connection], timeout: float) -> None:
    """Receive on all connections until each response is complete or has failed, at most for `timeout` seconds."""
    deadline = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection.socket, selectors.EVENT_READ, connection)
        while selector.get_map() and (ready := selector.select(max(deadline - time.monotonic(), 0))):
            for key, _ in ready:
                try:
                    key.data.receive()
                    ended = bool(key.data.ended_at)
                except (BenchError, OSError):
                    ended = True
                if ended:
                    selector.unregister(key.fileobj)


def elapsed(connections: Sequence[Connection]) -> float:
    """Return the seconds from the first request to the end of the last response."""
    sent_at = min(connection.sent_at for connection in connections)
    return max(connection.ended_at for connection in connections) - sent_at


def unchunk(response: bytes) -> bytes:
    """Return the decoded body of a complete chunked response, given with its headers."""
    position = response.index(b"\r\n\r\n") + 4
    parts = []
    while size := int(response[position : (end := response.index(b"\r\n", position))], 16):
        parts.append(response[end + 2 : end + 2 + size])
        position = end + 4 + size
    return b"".join(parts)
