"""Ports of this machine."""

import os
import socket

import click


def require_free_port(port: int) -> int:
    """Return the port itself if nobody listens there, a free one for 0. Raises ClickException otherwise."""
    with socket.socket() as probe:
        if os.name != "nt":  # as servers do: connections that ended a moment ago are no hindrance
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise click.ClickException(
                f"Port {port} cannot be used: {error.strerror or error}. Choose another with --port."
            ) from None
        return int(probe.getsockname()[1])
