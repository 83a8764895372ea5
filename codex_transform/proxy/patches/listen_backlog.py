"""Lets many clients connect in the same moment.

mitmproxy listens as asyncio does by default, with a backlog of 100 connections that have not been accepted yet. While
it is busy for some milliseconds, the system resets those beyond it. mitmproxy has no option for it, but a socket that
listens already can be given a longer backlog.
"""

import asyncio
import socket

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver

_BACKLOG = 1024


class ListenBacklog:
    """Addon: lengthens the backlog of every socket that mitmproxy listens on, whenever there are new ones."""

    def running(self) -> None:
        """Begin once mitmproxy is running; it may listen already, and elsewhere later."""
        self._proxyserver: Proxyserver = ctx.master.addons.get("proxyserver")
        self._proxyserver.servers.changed.connect(self._changed)
        self._apply()

    async def _changed(self) -> None:
        self._apply()

    def _apply(self) -> None:
        for mode in self._proxyserver.servers:
            # Only modes that are served by asyncio have these.
            for server in getattr(mode, "_servers", ()):
                if isinstance(server, asyncio.Server):
                    for each in server.sockets:
                        if each.type == socket.SOCK_STREAM:
                            with each.dup() as listening:
                                listening.listen(_BACKLOG)
