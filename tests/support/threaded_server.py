"""The base class of the tests' small servers: it accepts connections in a thread, and closes them all.

The protocol is up to each server: its `serve` handles one connection, in a thread of its own.
"""

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress


class ThreadedServer(ABC):
    """A server on loopback, at `port`, from its creation until `close`; `clients` are all connections, in order.

    A subclass sets what its `serve` needs before it calls `__init__`, because a client may connect at once.
    """

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.clients: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    @abstractmethod
    def serve(self, client: socket.socket) -> None:
        """Handle one client; its connection is closed at the end, or on an OSError."""

    def close(self) -> None:
        """Close every connection, and wait until all threads have ended."""
        _shut(self._server)
        self._acceptor.join(30)
        self._server.close()
        for client in self.clients:
            _shut(client)
        for thread in self._threads:
            thread.join(30)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self.clients.append(client)
                self._threads.append(threading.Thread(target=self._talk, args=(client,)))
                self._threads[-1].start()

    def _talk(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self.serve(client)


def _shut(connection: socket.socket) -> None:
    """Shut a socket down, which wakes the thread that waits for it; merely closing it would not."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
