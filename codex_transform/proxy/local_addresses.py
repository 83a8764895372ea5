"""Which addresses are this machine's own, asked of the operating system rather than of a name server.

The standard library cannot list a machine's addresses, but a socket can be bound to those alone. Where the system
was told to allow any (`ip_nonlocal_bind` on Linux), what it would use as the source of a connection there is the
next best answer.
"""

import ipaddress
import socket
from typing import Any

from codex_transform.endpoint.hosts import is_loopback

# Addresses that no machine has (RFC 5737, RFC 3849): to find out whether any address can be bound.
_DOCUMENTATION_ADDRESSES = {socket.AF_INET: "198.51.100.1", socket.AF_INET6: "2001:db8::1"}


def is_local_host(host: str) -> bool:
    """Return whether `host`, a name or an address in any spelling, leads back to this machine without a look-up.

    Names: localhost and all below it (RFC 6761), and what the machine calls itself. Addresses: loopback, the
    unspecified one, which connects to loopback, and those of the network interfaces.
    """
    if is_loopback(host):
        return True  # as it nearly always is, and without asking the system
    try:
        # As the resolver reads it: full-width digits and dots, for one, are digits and dots to it.
        name = host.strip("[]").encode("idna").decode("ascii").lower().rstrip(".")
    except UnicodeError:
        name = host.strip("[]").lower().rstrip(".")
    if name in ("localhost", socket.gethostname().lower()) or name.endswith(".localhost"):
        return True
    try:
        # Numeric hosts only, so nothing is looked up; it takes 127.1, 0x7f.1 and 2130706433 as a connection would.
        addresses = socket.getaddrinfo(name, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return False
    return any(_is_local(family, address) for family, _, _, _, address in addresses)


def _is_local(family: socket.AddressFamily, address: tuple[Any, ...]) -> bool:
    ip = ipaddress.ip_address(str(address[0]).partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    if mapped:
        family, ip, address = socket.AF_INET, mapped, (str(mapped), 0)
    if ip.is_loopback or ip.is_unspecified:
        return True
    if ip.is_multicast or not _can_bind(family, address):
        return False
    return not _can_bind(family, (_DOCUMENTATION_ADDRESSES[family], 0)) or _is_its_own_source(family, address)


def _can_bind(family: socket.AddressFamily, address: tuple[Any, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


def _is_its_own_source(family: socket.AddressFamily, address: tuple[Any, ...]) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Sends nothing: UDP only looks up the route. Port 9 is "discard".
            probe.connect((address[0], 9, *address[2:]))
            return bool(probe.getsockname()[0] == address[0])
    except OSError:
        return False
