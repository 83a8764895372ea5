"""A WebSocket client that can send single frames."""

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from wsproto import ConnectionType, WSConnection
from wsproto.connection import Connection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)

from support.running import Proxy

KEY = "sk-of-the-client-000000"


class Client:
    """One connection to `wss://api.openai.com/v1/responses`, as the proxy's client sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.handshake = WSConnection(ConnectionType.CLIENT)
        self.events: list[Event] = []

    def open(self, key: str = KEY, path: str = "/v1/responses", **headers: str) -> None:
        """Do the opening handshake; fail unless it is accepted."""
        fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        authorization = (b"authorization", f"Bearer {key}".encode())
        request = Request(host="api.openai.com", target=path, extra_headers=[authorization, *fields])
        self.socket.sendall(self.handshake.send(request))
        event = self.next()
        assert isinstance(event, AcceptConnection), self.rejection(event)

    def rejection(self, event: Event) -> object:
        return event.status_code if isinstance(event, RejectConnection) else event

    @property
    def frames(self) -> Connection:
        assert self.handshake.connection
        return self.handshake.connection

    def next(self) -> Event:
        """Return the next event of the connection."""
        while not self.events:
            data = self.socket.recv(65536)
            self.handshake.receive_data(data or None)
            self.events += self.handshake.events()
        return self.events.pop(0)

    def message(self) -> str:
        """Return the next message; pings are answered meanwhile."""
        text = ""
        while True:
            event = self.next()
            if isinstance(event, Ping):
                self.raw(event.response())
            elif isinstance(event, Message):
                text += str(event.data)
                if event.message_finished:
                    return text
            else:
                pytest.fail(str(event))

    def closed(self) -> CloseConnection:
        """Wait for the end of the connection, and return it."""
        while not isinstance(event := self.next(), CloseConnection):
            assert isinstance(event, Ping | Message), event
        return event

    def raw(self, event: Event) -> None:
        self.socket.sendall(self.handshake.send(event))

    def text(self, content: str) -> None:
        self.raw(TextMessage(data=content))

    def binary(self, content: bytes) -> None:
        self.raw(BytesMessage(data=content))

    def create(self, **fields: Any) -> None:
        """Send a `response.create`."""
        self.text(json.dumps({"type": "response.create", "model": "gpt-5.1", **fields}))

    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.message()))

    def answer(self, **fields: Any) -> list[dict[str, Any]]:
        """Return the events of one response, or only the error if there is one instead."""
        if fields:
            self.create(**fields)
        events = [self.event()]
        while not is_last(events[-1]):
            events.append(self.event())
        return events

    def response(self, **fields: Any) -> dict[str, Any]:
        """Send a request and return its response."""
        last = self.answer(**fields)[-1]
        assert last["type"] == "response.completed", last
        return dict(last["response"])

    def error(self) -> dict[str, Any]:
        event = self.event()
        assert event["type"] == "error", event
        assert event.keys() == {"type", "status", "error", "headers"}
        return event


def is_last(event: dict[str, Any]) -> bool:
    return event["type"] in ("response.completed", "response.incomplete", "response.failed", "error")


@contextmanager
def unopened(proxy: Proxy, *, tls: bool = True, timeout: float = 30) -> Iterator[Client]:
    """Yield a client that is connected, through a tunnel and TLS like real ones or directly, before the handshake."""
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        port = 443 if tls else 80
        connection.sendall(b"CONNECT api.openai.com:%d HTTP/1.1\r\nHost: api.openai.com\r\n\r\n" % port)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.recv(1)
        assert b" 200 " in answer, answer
        if not tls:
            yield Client(connection)
            return
        context = ssl.create_default_context(cafile=str(proxy.ca))
        context.set_alpn_protocols(["http/1.1"])
        with context.wrap_socket(connection, server_hostname="api.openai.com") as secure:
            yield Client(secure)


@contextmanager
def connected(
    proxy: Proxy, key: str = KEY, *, tls: bool = True, timeout: float = 30, **headers: str
) -> Iterator[Client]:
    """Yield a client whose WebSocket is open."""
    with unopened(proxy, tls=tls, timeout=timeout) as client:
        client.open(key, **headers)
        yield client
