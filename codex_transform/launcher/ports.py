"""TCP ports on this machine."""

import os
import socket

import click


def require_free_port(port: int) -> int:
    """Return `port` if it is free on 127.0.0.1, or any free port for 0. Raises ClickException if it is in use."""
    with socket.socket() as probe:
        if os.name != "nt":  # as servers do, so that connections in TIME_WAIT do not count
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise click.ClickException(
                f"Port {port} cannot be used: {error.strerror or error}. Choose another with --port."
            ) from None
        return int(probe.getsockname()[1])
