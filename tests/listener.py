"""A server on loopback that keeps every byte it is sent, and reads it by the letter: with h11."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import h11

_ANSWER = b'{"id": "resp_1", "object": "response", "status": "completed", "output": []}'


class Listener:
    """The server: `received` has the bytes of each connection, `requests` and `faults` what they meant."""

    key = "sk-of-the-listener-0123456789abcd"

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.requests: list[h11.Request] = []
        self.faults: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._clients: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def forget(self) -> None:
        for kept in (self.received, self.requests, self.faults):
            kept.clear()

    def close(self) -> None:
        # Closing a socket does not wake a thread that waits for it; shutting it down does.
        for open_socket in (self._server, *self._clients):
            with suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._clients.append(client)
                self._threads.append(threading.Thread(target=self._serve, args=(client,)))
                self._threads[-1].start()

    def _serve(self, client: socket.socket) -> None:
        reader = h11.Connection(h11.SERVER)
        with client, suppress(OSError):
            while piece := client.recv(65536):
                self.received.append(piece)
                reader.receive_data(piece)
                try:
                    while (event := reader.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                        if isinstance(event, h11.Request):
                            self.requests.append(event)
                        elif isinstance(event, h11.EndOfMessage):
                            self._answer(client, reader)
                except h11.RemoteProtocolError as fault:
                    self.faults.append(str(fault))
                    return

    def _answer(self, client: socket.socket, reader: h11.Connection) -> None:
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(_ANSWER)))]
        for event in (h11.Response(status_code=200, headers=headers), h11.Data(data=_ANSWER), h11.EndOfMessage()):
            client.sendall(reader.send(event) or b"")
        if reader.our_state is h11.DONE:
            reader.start_next_cycle()


@contextmanager
def listener() -> Iterator[Listener]:
    server = Listener()
    try:
        yield server
    finally:
        server.close()
