"""Which hosts are intercepted, and which are this machine."""

import ipaddress
from collections.abc import Iterable
from typing import Protocol


class Origin(Protocol):
    """The host and port of an endpoint: see `endpoint.url.Endpoint`."""

    def matches(self, host: str, port: int) -> bool:
        """Return whether `host` and `port` are its own."""


def is_intercepted_host(host: str, port: int, hosts: Iterable[str], endpoint: Origin | None) -> bool:
    """Return whether traffic to `host:port` is intercepted: a host of `codex_hosts`, or the endpoint itself.

    An entry of `hosts` is `name` (any port) or `name:port`.
    """
    name = host.lower().rstrip(".")
    if endpoint is not None and endpoint.matches(name, port):
        return True
    return any(entry in (name, f"{name}:{port}") for entry in hosts)


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine: localhost (RFC 6761) or a loopback address."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
