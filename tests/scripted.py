"""An endpoint on loopback whose every connection a test plays by hand."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

# Plays one connection: of this endpoint, the socket, and how many there were before.
Play = Callable[["Scripted", socket.socket, int], None]

WHOLE = (
    b'data: {"type": "response.created", "response": {"id": "resp_1", "output": []}}\n\n'
    b'data: {"type": "response.completed", "response": {"id": "resp_1", "object": "response", '
    b'"status": "completed", "output": []}}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
ANSWER = HEAD + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE


class Scripted:
    """`url` and `key` as the sandbox has them; `asked` are the requests, whole, `gone` how many clients have
    left, `material` what a test wants to be played."""

    key = "sk-of-the-scripted-0123456789abcd"

    def __init__(self, play: Play) -> None:
        self.asked: list[bytes] = []
        self.gone = threading.Semaphore(0)
        self.closing = threading.Event()
        self.material = (b"", b"")
        self._play = play
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def read(self, client: socket.socket) -> bool:
        """Reads one request, of a known length; False when the client leaves first."""
        request = b""
        while b"\r\n\r\n" not in request:
            if not (piece := client.recv(65536)):
                return False
            request += piece
        head, _, body = request.partition(b"\r\n\r\n")
        (length,) = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length:" in line]
        while len(body) < length:
            body += client.recv(65536)
        self.asked.append(head + b"\r\n\r\n" + body)
        return True

    def left(self, client: socket.socket) -> None:
        """Waits until the client closes, and counts it."""
        with suppress(OSError):
            while client.recv(65536):
                pass
        self.gone.release()

    def close(self) -> None:
        self.closing.set()
        for each in (self._server, *self._clients):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                arguments = client, len(self._clients) - 1
                self._threads.append(threading.Thread(target=self._serve, args=arguments))
                self._threads[-1].start()

    def _serve(self, client: socket.socket, number: int) -> None:
        with client, suppress(OSError):
            self._play(self, client, number)


@contextmanager
def scripted(play: Play) -> Iterator[Scripted]:
    """An endpoint that plays every connection so."""
    endpoint = Scripted(play)
    try:
        yield endpoint
    finally:
        endpoint.close()
