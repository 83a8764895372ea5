"""Ports for programs that must be given one, or that must find nothing listening there."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def reserved(address: str = "127.0.0.1") -> Iterator[int]:
    """Yield a port on which nothing listens, except a program that is given its number, until the block is left.

    On Linux a server can listen at a port that another socket has, if both allow it and that one does not listen;
    and the kernel gives such a port to nobody by itself. Elsewhere it is free, and may be taken in an unlucky moment.
    """
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((address, 0))
        port: int = holder.getsockname()[1]
        if sys.platform != "linux":
            holder.close()
        yield port
