"""A deadline for all that is read from a connection, and not only for each wait.

A server that sends a byte now and then never lets a socket's own timeout pass. So the connection is shut down when time
is up, while another thread reads from it.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Timer


@contextmanager
def deadline(connection: socket.socket, seconds: float) -> Iterator[Event]:
    """Shut the connection down after so many seconds, unless the block ends first; the event is set if it was."""
    late = Event()

    def end() -> None:
        late.set()
        with suppress(OSError):
            # Of the TCP connection: that of TLS would change what the other thread is reading from.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    connection.settimeout(None)
    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()
