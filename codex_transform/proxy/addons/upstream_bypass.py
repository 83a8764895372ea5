"""Addon for a proxy behind another one (`--mode upstream:…`): how requests of ours get to the endpoint.

The other proxy is not used for hosts that the user's NO_PROXY or the system's settings exclude, nor for this machine
itself, which it could not reach. Loaded after addon.py, so that a request already names the endpoint.
"""

import asyncio
from urllib.request import getproxies_environment, proxy_bypass

from mitmproxy import http
from mitmproxy.proxy.mode_specs import UpstreamMode

from codex_transform.endpoint.hosts import is_loopback


class UpstreamBypass:
    """Sends each request through the other proxy or directly."""

    async def request(self, flow: http.HTTPFlow) -> None:
        """Choose the route of a request that is about to be sent."""
        if not isinstance(flow.client_conn.proxy_mode, UpstreamMode) or flow.response:
            return
        host = flow.request.host
        if is_loopback(host) or await _is_excluded(f"{host}:{flow.request.port}"):
            flow.server_conn.via = None


async def _is_excluded(host: str) -> bool:
    """Return whether NO_PROXY excludes the host.

    Without NO_PROXY, the exceptions set in macOS or Windows count, for which its address may be looked up.
    """
    if getproxies_environment():
        return bool(proxy_bypass(host))
    return bool(await asyncio.to_thread(proxy_bypass, host))


addons = [UpstreamBypass()]
