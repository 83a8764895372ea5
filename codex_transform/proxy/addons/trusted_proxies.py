"""Addon: believes the proxies of `codex_trusted_proxies`, and nobody else, about who their clients are."""

from mitmproxy import http
from mitmproxy.proxy import layer
from mitmproxy.proxy.mode_specs import ReverseMode

from codex_transform.proxy.addons.client_access import speaks_http
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.client_address import forwarded_client, is_proxied, is_trusted, set_client_address
from codex_transform.proxy.layers.proxy_protocol import AfterProxyHeader, ProxyProtocolLayer

_FORWARDED_FOR = "x-forwarded-for"
_OF_PROXIES = ("forwarded", "x-real-ip")


class TrustedProxies:
    """Finds out whom a trusted proxy has a connection, or a request, for."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Have a PROXY header read at the beginning of a connection."""
        context = nextlayer.context
        first = len(context.layers) == 1 and not isinstance(nextlayer, AfterProxyHeader)
        if first and speaks_http(context.client) and self._is_trusted(context.client.peername[0]):
            nextlayer.layer = ProxyProtocolLayer(context)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Note who sends a request. What proxies say of that is for nobody upstream."""
        if not flow.live or flow.is_replay or not is_proxied(flow.client_conn, self.config.settings.trusted_proxies):
            return
        headers, address = flow.request.headers, str(flow.client_conn.peername[0])
        # In a tunnel the client itself would have written it.
        if isinstance(flow.client_conn.proxy_mode, ReverseMode):
            chain = ",".join(headers.get_all(_FORWARDED_FOR))
            address = forwarded_client(address, chain, self.config.settings.trusted_proxies)
            for name in {name.lower() for name in headers}:
                if name in _OF_PROXIES or name.startswith("x-forwarded-"):
                    del headers[name]
        set_client_address(flow, address)

    def _is_trusted(self, address: str) -> bool:
        return is_trusted(address, self.config.settings.trusted_proxies)
