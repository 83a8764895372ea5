"""Addon: reaches an endpoint with IPv6 and IPv4 addresses from a network where one of the two does not work.

mitmproxy tries one address after the other, and waits for the first as long as the system does: minutes, if packets
get lost on the way. Browsers and OpenCode itself try the next after a quarter of a second (RFC 8305, "Happy Eyeballs"),
so they work there. Here both families are tried in that way from time to time, and if the second is faster, mitmproxy
is told to connect from an address of that family.

asyncio's own `happy_eyeballs_delay` cannot do it: it fails with an AssertionError where tasks start eagerly, as
mitmproxy's do (seen in CPython 3.13.0).
"""

import asyncio
import logging
import socket
import time
from contextlib import suppress
from typing import Any

from mitmproxy import ctx
from mitmproxy.connection import Address
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from codex_transform.proxy.addons.config import Config

logger = logging.getLogger(__name__)

# How long a result holds, how long the first address is tried alone (RFC 8305 section 5), and how long both are, in
# seconds.
_CACHE_TTL, _ATTEMPT_DELAY, _TIMEOUT = 600.0, 0.25, 5.0

_WILDCARD = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
_NAMES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}

# As `getaddrinfo` gives it: family, type, protocol, canonical name, address.
Info = tuple[Any, ...]


class HappyEyeballs:
    """Chooses the family of addresses for connections to the endpoint."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._cache: dict[Address, tuple[str | None, float]] = {}

    async def server_connect(self, data: ServerConnectionHookData) -> None:
        """Choose the address to connect from, unless it is set already."""
        server = data.server
        chosen = server.sockname or ctx.options.connect_addr
        if server.error or chosen or server.via or server.address is None:
            return
        address = (server.address[0], server.address[1])
        if not self.config.matches(*address):
            return
        local, expires = self._cache.get(address, (None, 0.0))
        if time.monotonic() > expires:
            with suppress(OSError):  # mitmproxy will report the problem with the name
                local = await _choose(address)
            self._cache[address] = local, time.monotonic() + _CACHE_TTL
        if local:
            server.sockname = (local, 0)


async def _choose(address: Address) -> str | None:
    """Return the address to connect from; None if the system's own choice is right. Raises OSError."""
    infos = await asyncio.get_running_loop().getaddrinfo(*address, type=socket.SOCK_STREAM)
    first = infos[0]
    other = next((info for info in infos if info[0] != first[0]), None)
    if other is None or not await is_ahead(other, first):
        return None
    logger.info("%s does not answer over %s: connecting to it over %s", address[0], _NAMES[first[0]], _NAMES[other[0]])
    return _WILDCARD[other[0]]


async def is_ahead(other: Info, first: Info) -> bool:
    """Return whether `other` connects while `first`, tried a moment earlier, neither connects nor is refused."""
    tried = [asyncio.create_task(_connect(first))]
    try:
        done, _ = await asyncio.wait(tried, timeout=_ATTEMPT_DELAY)
        if done:
            return False
        tried.append(asyncio.create_task(_connect(other)))
        done, _ = await asyncio.wait(tried, timeout=_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        return tried[0] not in done and tried[1] in done and tried[1].exception() is None
    finally:
        for task in tried:
            task.cancel()
        await asyncio.gather(*tried, return_exceptions=True)


async def _connect(info: Info) -> None:
    """Open a connection to an address and close it. Raises OSError."""
    family, kind, protocol, _, address = info
    with socket.socket(family, kind, protocol) as tried:
        tried.setblocking(False)
        await asyncio.get_running_loop().sock_connect(tried, address)
