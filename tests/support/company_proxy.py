"""A company's proxy, for tests: it records its requests, and connects all of them to one local server."""

import base64
import socket
import threading
from contextlib import closing, suppress
from urllib.parse import urlsplit

from support.threaded_server import ThreadedServer


class CompanyProxy(ThreadedServer):
    """A running proxy: `request_lines` are those of all requests, after `407 ` if the password was missing."""

    def __init__(self, target: str, password: str | None = None) -> None:
        parts = urlsplit(target)
        self.request_lines: list[str] = []
        self._target = (parts.hostname, parts.port)
        self._expected = f"Basic {base64.b64encode(password.encode()).decode()}" if password else None
        super().__init__()
        self.authority = f"127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(65536)
            if not piece:
                return
            head += piece
        line = head.split(b"\r\n")[0].decode()
        if self._expected and self._expected.encode() not in head:
            self.request_lines.append(f"407 {line}")
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        self.request_lines.append(line)
        with socket.create_connection(self._target) as server:
            if line.startswith("CONNECT "):
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                server.sendall(head)
            back = threading.Thread(target=_pump, args=(server, client))
            back.start()
            _pump(client, server)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def running(target: str, password: str | None = None) -> closing[CompanyProxy]:
    """Run a proxy that connects everything to `target`, a URL, and requires `user:password` if that is given."""
    return closing(CompanyProxy(target, password))
