"""Addon: decides what the proxy looks at, and who may use it.

TLS to a host that is not ours is tunnelled, never opened: the proxy holds no other provider's keys, and hosts with
pinned or private certificates keep working.
"""

import logging

from mitmproxy import connection, ctx, http, tls
from mitmproxy.proxy.mode_specs import ReverseMode

from codex_transform.endpoint import below_responses, is_loopback, is_our_host
from codex_transform.errors import ApiError
from codex_transform.proxy import call as calls
from codex_transform.proxy import reply
from codex_transform.proxy.config import Config

logger = logging.getLogger(__name__)


class Gate:
    """Lets requests of ours in, everything else by."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Tunnels TLS that does not lead to a host of ours."""
        address = data.context.server.address
        if address is None or isinstance(data.context.client.proxy_mode, ReverseMode):
            return  # TLS to the proxy itself
        host, port = address[0], address[1]
        # A name in the client hello that is not ours wins over a target that is: somebody else will answer.
        names = [name for name in (None if _is_address(host) else host, data.client_hello.sni) if name]
        if not all(self._ours(name, port) for name in names or [host]):
            data.ignore_connection = True

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Refuses tunnels to clients that may not use the proxy."""
        self._refuse_strangers(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Marks requests of ours; answers WebSocket upgrades, which a Codex endpoint with a key does not serve."""
        if self._refuse_strangers(flow):
            return
        request = flow.request
        below = below_responses(request.path)
        if below is None or not self._ours(_host_of(flow), request.port):
            return
        if request.headers.get("upgrade", "").lower() == "websocket":
            # 426 is what makes the Codex CLI, too, go on over HTTP at once (RFC 9110 section 15.5.22).
            flow.response = reply.error(
                ApiError(426, "this proxy speaks HTTP only: send the request as POST, without an upgrade")
            )
            flow.response.headers["upgrade"] = "HTTP/1.1"
        elif request.method == "POST":
            calls.begin(flow, below)
            # With mitmproxy's option `stream_large_bodies` the body would leave before it is rewritten.
            request.stream = False

    def _ours(self, host: str, port: int) -> bool:
        return is_our_host(host, port, self.config.settings.hosts, self.config.endpoint)

    def _refuse_strangers(self, flow: http.HTTPFlow) -> bool:
        if _is_local(flow.client_conn):
            return False
        if not self.config.settings.allow_remote:
            why = "this proxy serves its own machine only; its owner can set codex_allow_remote"
        elif not ctx.options.proxyauth:
            why = "codex_allow_remote needs mitmproxy's option proxyauth, so that not everybody can use the key"
        else:
            return False
        logger.warning("refused a client at %s: %s", flow.client_conn.peername[0], why)
        flow.response = reply.error(ApiError(403, why))
        return True


def _is_local(client: connection.Client) -> bool:
    peer = client.peername[0]
    return is_loopback(peer) or peer == client.sockname[0]


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _host_of(flow: http.HTTPFlow) -> str:
    """The host that a request is for: in transparent modes the target is an address, the name is in the TLS hello."""
    host = flow.request.host
    return flow.client_conn.sni or host if _is_address(host) else host
