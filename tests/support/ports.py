"""Ports for programs that need a number, or need a port where nothing listens."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved(address: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port on which nothing listens but programs that are given its number, until the block is left.

    On Linux a server can listen at a port that another socket has bound, if both allow that and the other one does
    not listen; the kernel does not choose such a port for others. Elsewhere the port is merely free, and another
    program may take it.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((address, 0))
        port: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port
