"""Addon: lets many clients connect in the same moment.

mitmproxy listens as asyncio does by default, with room for 100 connections that have not been accepted yet. While it is
busy for some milliseconds, the system resets those that come on top. A socket that listens can be told of more room.
"""

import asyncio
import socket

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver

_ROOM = 1024


class Backlog:
    """Makes room at every socket that mitmproxy listens on, whenever there are new ones."""

    def running(self) -> None:
        """mitmproxy is up; it may listen already, and elsewhere later."""
        self._proxyserver: Proxyserver = ctx.master.addons.get("proxyserver")
        self._proxyserver.servers.changed.connect(self._changed)
        self._make_room()

    async def _changed(self) -> None:
        self._make_room()

    def _make_room(self) -> None:
        for mode in self._proxyserver.servers:
            # mitmproxy offers no other way to its sockets; where this one ends, the room stays what it was.
            for server in getattr(mode, "_servers", ()):
                if isinstance(server, asyncio.Server):
                    for each in server.sockets:
                        if each.type == socket.SOCK_STREAM:
                            with each.dup() as listening:
                                listening.listen(_ROOM)
