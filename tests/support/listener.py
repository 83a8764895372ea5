"""A server on loopback that keeps every byte that it receives, and parses it strictly, with h11."""

import socket
from contextlib import closing

import h11

from support.threaded_server import ThreadedServer

_ANSWER = b'{"id": "resp_1", "object": "response", "status": "completed", "output": []}'


class Listener(ThreadedServer):
    """The server: `received` has the bytes of each connection, `requests` and `faults` the result of parsing them."""

    key = "sk-of-the-listener-0123456789abcd"

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.requests: list[h11.Request] = []
        self.faults: list[str] = []
        super().__init__()

    def forget(self) -> None:
        for record in (self.received, self.requests, self.faults):
            record.clear()

    def serve(self, client: socket.socket) -> None:
        reader = h11.Connection(h11.SERVER)
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


def listener() -> closing[Listener]:
    """Run a listener until the block is left."""
    return closing(Listener())
