"""Addon: keeps clients from reaching this machine through the proxy (SSRF).

Services on this machine often trust everyone who can connect to loopback: up to mitmproxy 11.1.1, mitmweb's own API was
open to every user of the proxy.

The host that a request names is checked when it arrives, so that its client gets an error. The address that a name
resolves to is checked on the connection itself, before a byte is sent, so that DNS rebinding cannot get around it.
"""

import logging

from mitmproxy import http
from mitmproxy.connection import Address, Client
from mitmproxy.proxy.mode_specs import DnsMode, LocalMode, ReverseMode, TransparentMode, UpstreamMode, WireGuardMode
from mitmproxy.proxy.server_hooks import ServerConnectionHookData

from codex_transform.errors import ApiError
from codex_transform.proxy import responses
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.call import get_call
from codex_transform.proxy.client_address import is_local
from codex_transform.proxy.local_addresses import is_local_host
from codex_transform.proxy.patches import transports
from codex_transform.proxy.refusals import Refusals

logger = logging.getLogger(__name__)

_OWN_ADDRESS = (
    "this is the address of the proxy itself, which is not in reverse mode: set HTTPS_PROXY to it in place of the "
    "client's base URL, or start the proxy with --mode reverse:https://your-codex-api.com"
)


class LoopbackGuard:
    """Refuses connections to this machine, except to the endpoint and the targets that mitmproxy was started with."""

    def __init__(self, config: Config, refusals: Refusals) -> None:
        self.config = config
        self.refusals = refusals

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuse a tunnel to this machine."""
        self._reject_local(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Refuse a request to this machine; one of ours goes to the endpoint, whatever host it names."""
        if get_call(flow) is None:
            self._reject_local(flow)

    def server_connect(self, data: ServerConnectionHookData) -> None:
        """Refuse a connection that does not result from an HTTP request."""
        address = data.server.address
        if address and not self._is_allowed(data.client, address) and is_local_host(address[0]):
            data.server.error = _message(address)
            logger.warning(data.server.error)

    def server_connected(self, data: ServerConnectionHookData) -> None:
        """Close a connection whose name resolved to this machine; nothing has been sent on it yet."""
        address, peer = data.server.address, data.server.peername
        if not address or not peer or self._is_allowed(data.client, address) or not is_local_host(peer[0]):
            return
        data.server.error = _message(address)
        logger.warning(data.server.error)
        transports.close(data.client, data.server)

    def _reject_local(self, flow: http.HTTPFlow) -> None:
        address = (flow.request.host, flow.request.port)
        if (
            flow.response
            or not flow.live
            or self._client_may_request(flow.client_conn, address)
            or not is_local_host(address[0])
        ):
            return
        own_port = flow.client_conn.sockname[1]
        error = ApiError(403, _OWN_ADDRESS if address[1] == own_port else _message(address))
        self.refusals.note(flow, error)
        flow.response = responses.error_response(error)

    def _is_allowed(self, client: Client, address: Address) -> bool:
        """Return whether mitmproxy itself needs this address, or a client may request it."""
        mode = client.proxy_mode
        if isinstance(mode, UpstreamMode) and address == mode.address:
            return True
        if isinstance(mode, DnsMode | WireGuardMode) and address[1] == 53:
            return True  # this machine's own resolver
        return self._client_may_request(client, address)

    def _client_may_request(self, client: Client, address: Address) -> bool:
        """Return whether a client may request this address of this machine."""
        if self.config.matches(address[0], address[1]):
            return True
        mode = client.proxy_mode
        if isinstance(mode, ReverseMode) and address == mode.address:
            return True
        # Redirected from a connection that this machine was making anyway.
        return isinstance(mode, LocalMode | TransparentMode) and is_local(client, self.config.settings.trusted_proxies)


def _message(address: Address) -> str:
    host, port = address[0], address[1]
    usual = ["localhost", "127.0.0.1"]
    return (
        f"the proxy does not connect to its own machine ({host} port {port}), except to the endpoint: have the client "
        f"go there without a proxy, with NO_PROXY={','.join(usual if host in usual else [*usual, host])}"
    )
