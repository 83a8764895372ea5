"""Where a request came from, as far as that can be believed.

A proxy in front of this one (HAProxy, nginx) has the connection, and names its client: with the PROXY protocol for the
whole connection, in `X-Forwarded-For` for a request. Either counts only from a peer of `codex_trusted_proxies`, because
anybody can send both. Whoever comes that way counts as somebody on another machine, whatever the address: the proxy
may run on this machine, its clients need not.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import http
from mitmproxy.connection import Client
from mitmproxy.proxy.mode_specs import LocalMode

from codex_transform.proxy.local_addresses import is_local_host

# Kept beside connections and flows, as calls are: see `call.py`.
_proxied: WeakSet[Client] = WeakSet()
_addresses: WeakKeyDictionary[http.HTTPFlow, str] = WeakKeyDictionary()


def is_trusted(address: str, trusted: tuple[str, ...]) -> bool:
    """Return whether an address is one of these addresses and networks."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip.version == network.version and ip in network for network in _networks(trusted))


@lru_cache(maxsize=4)
def _networks(entries: tuple[str, ...]) -> Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(entry) for entry in entries]


def forwarded_client(peer: str, forwarded_for: str, trusted: tuple[str, ...]) -> str:
    """Return the client of a request that came from `peer`: the last address that is not trusted.

    Each proxy appends who it got the request from, so what is to the left of that is the client's own word. Where an
    entry is no address, it is the proxy that wrote it.
    """
    client = peer
    for entry in reversed(forwarded_for.split(",")):
        if not is_trusted(client, trusted):
            break
        try:
            client = str(ipaddress.ip_address(_without_port(entry.strip())))
        except ValueError:
            break
    return client


def _without_port(entry: str) -> str:
    """Return the address of `address`, `address:port` or `[address]:port`."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry


def set_connection_client(client: Client, source: tuple[str, int] | None) -> None:
    """Note that a proxy has a connection for a client: `source`, if it says which."""
    _proxied.add(client)
    if source:
        client.peername = source


def is_proxied(client: Client, trusted: tuple[str, ...]) -> bool:
    """Return whether somebody comes through a trusted proxy."""
    return client in _proxied or is_trusted(client.peername[0], trusted)


def is_local(client: Client, trusted: tuple[str, ...]) -> bool:
    """Return whether a client is on this machine."""
    if isinstance(client.proxy_mode, LocalMode):
        return True  # mitmproxy redirects this machine's own programs there
    if is_proxied(client, trusted):
        return False
    host, *rest = client.peername
    scope = rest[2] if len(rest) > 2 else 0
    return is_local_host(f"{host}%{scope}" if scope else host)


def set_client_address(flow: http.HTTPFlow, address: str) -> None:
    """Note where a flow's request came from."""
    _addresses[flow] = address


def client_address(flow: http.HTTPFlow) -> str:
    """Return where a flow's request came from."""
    return _addresses.get(flow) or str(flow.client_conn.peername[0])


def remote_address(flow: http.HTTPFlow, trusted: tuple[str, ...]) -> str | None:
    """Return where a flow's request came from, None if that is this machine."""
    if flow in _addresses:
        return _addresses[flow]
    return None if is_local(flow.client_conn, trusted) else client_address(flow)


def copy_client_address(flow: http.HTTPFlow, derived: http.HTTPFlow) -> None:
    """Note that a request is sent for the one of another flow."""
    if flow in _addresses:
        _addresses[derived] = _addresses[flow]
