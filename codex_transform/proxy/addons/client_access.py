"""Addon: decides who may use the proxy. By default only clients on this machine may.

Others need mitmproxy's password, which lets them use it for any purpose, or a client key (`people.py`), which is
checked later. Clients with only a key are restricted to HTTP, and the proxy connects to nothing but the endpoint for
them.

Any other client is rejected before a byte of the request is read: with a 403 where the proxy speaks HTTP to its
clients, by closing the connection where it speaks anything else (SOCKS, or the protocol of a redirected connection).
"""

import logging
from collections.abc import Iterable, Iterator

from mitmproxy import connection, ctx, http
from mitmproxy.net.tls import starts_like_tls_record
from mitmproxy.proxy import layer
from mitmproxy.proxy.layers import ClientTLSLayer, HttpLayer, ServerTLSLayer
from mitmproxy.proxy.layers.http import HTTPMode
from mitmproxy.proxy.mode_specs import ProxyMode, RegularMode, ReverseMode, UpstreamMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from codex_transform.endpoint.hosts import is_loopback
from codex_transform.errors import ApiError
from codex_transform.proxy import responses
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.client_address import is_local, is_proxied
from codex_transform.proxy.layers.forbidden import ForbiddenLayer
from codex_transform.proxy.layers.proxy_protocol import ProxyProtocolLayer

logger = logging.getLogger(__name__)

OPEN_PROXY_WARNING = (
    "codex_allow_remote is on, so everybody on the network could use the endpoint's key: "
    "start mitmproxy with --proxyauth user:password as well, make keys with `codex-transform clients add`, or turn "
    "codex_allow_remote off"
)

HTTP_OF_OURS_ONLY = (
    "other machines may use this proxy only for the Responses API, with a key of its own; "
    "its owner can start mitmproxy with --proxyauth user:password for everything else"
)

TRUST_UNKNOWN = ApiError(403, "codex_trusted_proxies cannot be used, so nobody is served: the proxy's log says why")


def is_open_proxy(config: Config) -> bool:
    """Return whether other machines may use the proxy without a password or a key."""
    return config.settings.allow_remote and not _wants_password() and not config.people.defined


def is_restricted(config: Config, client: connection.Client) -> bool:
    """Return whether a client is let in only because it may have a key: nothing may be done for it without one."""
    known_by_key = config.people.defined and config.settings.allow_remote and not _wants_password()
    return known_by_key and not is_local(client, config.settings.trusted_proxies)


def _wants_password() -> bool:
    """Return whether mitmproxy requires a password; with "any" it accepts every one."""
    return ctx.options.proxyauth not in (None, "", "any")


class ClientAccess:
    """Refuses clients on other machines."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def running(self) -> None:
        """Warn of every mode that other machines can reach."""
        if is_open_proxy(self.config):
            logger.warning(OPEN_PROXY_WARNING)
        elif not self.config.settings.allow_remote:
            for message in _public_listen_warnings(ctx.options.mode, ctx.options.listen_host):
                logger.warning(message)

    def client_connected(self, client: connection.Client) -> None:
        """Close the connection of a client that may not use the proxy if it does not speak HTTP."""
        if not speaks_http(client) and (error := self._refuse(client)):
            _log(client, error)
            client.error = error.message

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Reject a client that may not use the proxy, once it has sent something."""
        if isinstance(nextlayer.layer, ProxyProtocolLayer):
            return  # it reads who the client is, and asks again
        client = nextlayer.context.client
        in_tunnel = any(isinstance(each, HttpLayer) for each in nextlayer.context.layers)
        if in_tunnel and is_restricted(self.config, client):
            nextlayer.layer = _http_or_tls(nextlayer)
            return
        if not nextlayer.data_client() or not speaks_http(client) or not (error := self._refuse(client)):
            return
        if starts_like_tls_record(nextlayer.data_client()) and not client.tls:
            client.alpn = b"http/1.1"  # the protocol of the answer
            nextlayer.layer = ClientTLSLayer(nextlayer.context)
        else:
            _log(client, error)
            nextlayer.layer = ForbiddenLayer(nextlayer.context, error)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuse a request on a connection from before `codex_trusted_proxies` was broken."""
        if flow.live and not flow.is_replay and not flow.response and self._trusts_nobody:
            flow.response = responses.error_response(TRUST_UNKNOWN)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Refuse a request on a connection from before `codex_trusted_proxies` was broken."""
        self.http_connect(flow)

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """Refuse a connection for a restricted client unless it leads to the endpoint."""
        address = data.server.address
        if address is None or not is_restricted(self.config, data.client):
            return
        mode = data.client.proxy_mode
        if isinstance(mode, ReverseMode | UpstreamMode) and address == mode.address:
            return
        if not self.config.matches(address[0], address[1]):
            data.server.error = HTTP_OF_OURS_ONLY
            logger.warning("refused a client at %s: %s", data.client.peername[0], HTTP_OF_OURS_ONLY)

    @property
    def _trusts_nobody(self) -> bool:
        """Whether the trusted proxies are not known: who comes through them would count as on this machine."""
        return any(problem.setting == "trusted_proxies" for problem in self.config.problems)

    def _refuse(self, client: connection.Client) -> ApiError | None:
        """Return the error for a client that may not use the proxy."""
        trusted = self.config.settings.trusted_proxies
        if self._trusts_nobody:
            return TRUST_UNKNOWN
        if is_local(client, trusted):
            return None
        if is_open_proxy(self.config):
            return ApiError(403, OPEN_PROXY_WARNING)
        if not speaks_http(client) and is_restricted(self.config, client):
            return ApiError(403, HTTP_OF_OURS_ONLY)
        if self.config.settings.allow_remote:
            return None
        others = ", and nobody who comes through codex_trusted_proxies" if is_proxied(client, trusted) else ""
        return ApiError(
            403,
            f"this proxy serves its own machine only{others}; its owner can set codex_allow_remote, "
            "together with mitmproxy's option proxyauth or with keys of `codex-transform clients`",
        )


def _http_or_tls(nextlayer: layer.NextLayer) -> layer.Layer:
    """Return the layer for the HTTP or TLS in a tunnel; mitmproxy would forward anything else unread."""
    context = nextlayer.context
    if not starts_like_tls_record(nextlayer.data_client()):
        return HttpLayer(context, HTTPMode.transparent)
    server = ServerTLSLayer(context)
    server.child_layer = ClientTLSLayer(context)
    return server


def _log(client: connection.Client, error: ApiError) -> None:
    logger.warning("refused a client at %s: %s", client.peername[0], error.message)


def speaks_http(client: connection.Client) -> bool:
    """Return whether a client that has just connected speaks HTTP, or HTTP over TLS, to the proxy."""
    mode = client.proxy_mode
    speaks = isinstance(mode, RegularMode | UpstreamMode) or (
        isinstance(mode, ReverseMode) and mode.scheme in ("http", "https")
    )
    return speaks and client.transport_protocol == "tcp"


def _public_listen_warnings(modes: Iterable[str], listen_host: str | None) -> Iterator[str]:
    """Yield a warning for every mode that listens on more than loopback."""
    for mode in map(ProxyMode.parse, modes):
        host, port = mode.listen_host(listen_host), mode.listen_port()
        if port is not None and not is_loopback(host):
            yield (
                f"{mode.full_spec} mode listens on {host or 'all interfaces'}: others can connect, though they are "
                "refused; start mitmproxy with --listen-host 127.0.0.1"
            )
