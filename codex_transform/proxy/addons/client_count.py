"""Addon for the proxy of `run`: logs at the end how often clients connected, for `run` to read."""

import logging

from mitmproxy.connection import Client

logger = logging.getLogger(__name__)


class ClientCount:
    """Counts the connections of clients."""

    def __init__(self) -> None:
        self._connections = 0

    def client_connected(self, _client: Client) -> None:
        """Count a connection."""
        self._connections += 1

    def done(self) -> None:
        """Log the number, in the form that `launcher/proxy_process.py` looks for."""
        logger.info("connections of clients: %d", self._connections)


addons = [ClientCount()]
