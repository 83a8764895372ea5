"""A client of the sandbox that checks every byte of its responses."""

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from json import loads as parse_json
from typing import Any

import h11
from pydantic_core import to_json

from codex_transform.sandbox import Sandbox


@dataclass
class Exchange:
    """One response: the bytes received, and the result of parsing them strictly."""

    raw: bytes
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    complete: bool = False
    reset: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        return parse_json(self.body)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [parse_json(data) for _, data in self.named_events]

    @property
    def named_events(self) -> list[tuple[str | None, str]]:
        """The name and data of each event, by the rules of event streams (any line ending, comments, one BOM)."""
        return event_stream(self.body)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def items(self) -> list[dict[str, Any]]:
        return [event["item"] for event in self.events if event["type"] == "response.output_item.done"]

    @property
    def text(self) -> str:
        return "".join(part["text"] for item in self.items if item["type"] == "message" for part in item["content"])


def event_stream(body: bytes) -> list[tuple[str | None, str]]:
    found = []
    name: str | None = None
    data: list[str] = []
    for line in re.split("\r\n|\r|\n", body.decode().removeprefix("\ufeff")):
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line and data:
            found.append((name, "\n".join(data)))
        if not line:
            name, data = None, []
        elif key == "event":
            name = value
        elif key == "data":
            data.append(value)
    return found


class Client:
    """Talks to one sandbox over fresh sockets."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox

    def body(self, prompt: str = "hello", **fields: Any) -> dict[str, Any]:
        """A request as the Codex CLI would send it; a field set to ... is left out."""
        body = {
            "model": "gpt-5.2-codex",
            "instructions": "Be brief.",
            "input": [user(prompt)],
            "tools": [],
            "store": False,
            "stream": True,
            **fields,
        }
        return {name: value for name, value in body.items() if value is not ...}

    def headers(self, **headers: str) -> dict[str, str]:
        defaults = {
            "host": f"127.0.0.1:{self.sandbox.port}",
            "authorization": f"Bearer {self.sandbox.key}",
            "content-type": "application/json",
            "accept": "text/event-stream",
            "originator": "tests",
            "connection": "close",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        return {name: value for name, value in defaults.items() if value}

    def post(self, body: object, path: str = "/backend-api/codex/responses", **headers: str) -> Exchange:
        """Posts a request, and reads until the sandbox closes the connection."""
        with self.posted(body, path, **headers) as connection:
            return read(connection)

    @contextmanager
    def posted(self, body: object, path: str = "/v1/responses", **headers: str) -> Iterator[socket.socket]:
        content = body if isinstance(body, bytes) else to_json(body)
        head = {**self.headers(**headers), "content-length": str(len(content))}
        with self.connected() as connection:
            connection.sendall(request_head("POST", path, head) + content)
            yield connection

    def get(self, path: str, method: str = "GET", content: bytes = b"", **headers: str) -> Exchange:
        head = {"host": f"127.0.0.1:{self.sandbox.port}", "connection": "close", **headers}
        with self.connected() as connection:
            connection.sendall(request_head(method, path, {**head, "content-length": str(len(content))}) + content)
            return read(connection)

    def ask(self, prompt: str = "hello", misbehave: str = "", **fields: Any) -> Exchange:
        return self.post(self.body(prompt, **fields), x_sandbox_misbehave=misbehave)

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.sandbox.port), timeout=30) as connection:
            yield connection


def user(text: str) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def request_head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def read(connection: socket.socket) -> Exchange:
    raw = b""
    reset = False
    try:
        while data := connection.recv(65536):
            raw += data
    except ConnectionResetError:
        reset = True
    return parse_response(raw, reset)


def parse_response(raw: bytes, reset: bool = False) -> Exchange:
    exchange = Exchange(raw, reset=reset)
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("host", "sandbox")]))
    http.send(h11.EndOfMessage())
    try:
        http.receive_data(raw)
        http.receive_data(b"")
        while not isinstance(event := http.next_event(), h11.ConnectionClosed):
            if isinstance(event, h11.Response):
                exchange.status = event.status_code
                exchange.headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                if event.chunk_start or not exchange.chunks:
                    exchange.chunks.append(b"")
                exchange.chunks[-1] += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                exchange.complete = True
                break
    except h11.RemoteProtocolError:
        pass
    return exchange
