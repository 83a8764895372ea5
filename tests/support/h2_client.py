"""A client that speaks HTTP/2 to the proxy, and has its streams in hand."""

import json
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Any

from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, PingAckReceived, StreamEnded, StreamReset
from hyperframe.frame import GoAwayFrame

from support.running import Proxy

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello"}


class OnlyHttp2(ssl.SSLContext):
    """Offers only HTTP/2: clients offer HTTP/1.1 first, and mitmproxy 11 chooses the first."""

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        super().set_alpn_protocols(["h2"] if "h2" in alpn_protocols else alpn_protocols)


def only_http2(proxy: Proxy) -> ssl.SSLContext:
    trust = OnlyHttp2(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(proxy.ca)
    return trust


class Http2Client:
    """A plain HTTP/2 connection to the proxy, which unlike the SDK's can reset one stream and keep the others."""

    def __init__(self, proxy: Proxy) -> None:
        tunnel = socket.create_connection(("127.0.0.1", proxy.port), timeout=30)
        tunnel.sendall(b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com:443\r\n\r\n")
        assert b" 200 " in tunnel.recv(4096)
        trust = OnlyHttp2(ssl.PROTOCOL_TLS_CLIENT)
        trust.load_verify_locations(proxy.ca)
        trust.set_alpn_protocols(["h2"])
        self._socket = trust.wrap_socket(tunnel, server_hostname="api.openai.com")
        self._http = H2Connection()
        self._http.initiate_connection()
        self._flush()
        self._got: dict[int, bytearray] = {}
        self._ended: set[int] = set()
        self._pinged = False

    def send(self, misbehaviour: str | None = None, prompt: str = "say hello") -> int:
        """Send a streaming request and return the number of its stream."""
        stream: int = self._http.get_next_available_stream_id()
        pseudo = {":method": "POST", ":scheme": "https", ":authority": "api.openai.com", ":path": "/v1/responses"}
        headers = {**pseudo, **({"x-sandbox-misbehave": misbehaviour} if misbehaviour else {})}
        self._http.send_headers(stream, list(headers.items()))
        self._http.send_data(
            stream, json.dumps({**HELLO, "input": prompt, "stream": True, "store": False}).encode(), end_stream=True
        )
        self._flush()
        self._got[stream] = bytearray()
        return stream

    def ping(self) -> None:
        """Wait until the proxy has received all that was sent."""
        self._http.ping(b"received")
        self._flush()
        self._receive(lambda: self._pinged)
        self._pinged = False

    def go_away(self) -> None:
        """Send GOAWAY; the streams that are open may end."""
        # h2's own `close_connection` allows nothing after it.
        self._socket.sendall(GoAwayFrame(0).serialize())

    def wait_until_closed(self) -> bool:
        """Return whether the proxy closes the connection."""
        return self._socket.recv(65536) == b""

    def read(self, stream: int, until: bytes | None = None) -> bytes:
        """Return the data of a stream up to its end, or until it contains these bytes."""
        self._receive(lambda: stream in self._ended or (until is not None and until in self._got[stream]))
        return bytes(self._got[stream])

    def _receive(self, done: Callable[[], bool]) -> None:
        while not done():
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the proxy has closed the connection")
            for event in self._http.receive_data(data):
                match event:
                    case DataReceived():
                        self._got[event.stream_id] += event.data
                        self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    case StreamEnded() | StreamReset():
                        self._ended.add(event.stream_id)
                    case PingAckReceived():
                        self._pinged = True
            self._flush()

    def reset(self, stream: int) -> None:
        """Reset a stream."""
        self._http.reset_stream(stream, ErrorCodes.CANCEL)
        self._flush()

    def close(self) -> None:
        self._socket.close()

    def _flush(self) -> None:
        self._socket.sendall(self._http.data_to_send())
