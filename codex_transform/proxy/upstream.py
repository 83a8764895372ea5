"""Addon for a proxy behind another one (`--mode upstream:…`): how requests of ours get to the endpoint.

The other proxy is not asked for what the user's NO_PROXY leaves out, nor for this machine itself, which it could not
reach. Loaded behind addon.py, so that a request already names the endpoint.
"""

from urllib.request import proxy_bypass

from mitmproxy import http
from mitmproxy.proxy.mode_specs import UpstreamMode

from codex_transform.endpoint import is_loopback


class Upstream:
    """Has each request go through the other proxy, or past it."""

    def request(self, flow: http.HTTPFlow) -> None:
        """A request is about to leave."""
        if not isinstance(flow.client_conn.proxy_mode, UpstreamMode) or flow.response:
            return
        host = flow.request.host
        if is_loopback(host) or proxy_bypass(f"{host}:{flow.request.port}"):
            flow.server_conn.via = None


addons = [Upstream()]
