"""An endpoint on loopback whose connections a test handles itself."""

import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress

from support.threaded_server import ThreadedServer

# Handles one connection; its arguments are the endpoint, the socket, and the number of earlier connections.
Play = Callable[["Scripted", socket.socket, int], None]

WHOLE = (
    b'data: {"type": "response.created", "response": {"id": "resp_1", "output": []}}\n\n'
    b'data: {"type": "response.completed", "response": {"id": "resp_1", "object": "response", '
    b'"status": "completed", "output": []}}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
ANSWER = HEAD + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE


class Scripted(ThreadedServer):
    """`url` and `key` are as in the sandbox, and `requests` are the bytes of each request.

    `connected` and `disconnected` count the clients that have connected and left; a test may use `material` freely.
    """

    key = "sk-of-the-scripted-0123456789abcd"

    def __init__(self, play: Play) -> None:
        self.requests: list[bytes] = []
        self.connected = threading.Semaphore(0)
        self.disconnected = threading.Semaphore(0)
        self.closing = threading.Event()
        self.material = (b"", b"")
        self._play = play
        super().__init__()

    def read(self, client: socket.socket) -> bool:
        """Read one request, of known length; return False if the client leaves first."""
        request = b""
        while b"\r\n\r\n" not in request:
            if not (piece := client.recv(65536)):
                return False
            request += piece
        head, _, body = request.partition(b"\r\n\r\n")
        (length,) = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length:" in line]
        while len(body) < length:
            body += client.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return True

    def wait_for_disconnect(self, client: socket.socket) -> None:
        """Wait until the client closes the connection, and count it."""
        with suppress(OSError):
            while client.recv(65536):
                pass
        self.disconnected.release()

    def serve(self, client: socket.socket) -> None:
        self.connected.release()
        self._play(self, client, self.clients.index(client))

    def close(self) -> None:
        self.closing.set()
        super().close()


def scripted(play: Play) -> closing[Scripted]:
    """Run an endpoint that handles every connection with this function, until the block is left."""
    return closing(Scripted(play))
