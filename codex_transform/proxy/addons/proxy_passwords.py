"""Addon: keeps the passwords of proxies out of flows, and so out of flow files, HAR files and mitmweb.

mitmproxy stores a client's user name and password (`--proxyauth`) in the flow's metadata, and the password for an
upstream proxy (`--upstream-auth`) in the request that it keeps.
"""

from mitmproxy import http

_REDACTED = "..."


class ProxyPasswords:
    """Redacts them in every flow, also in those that are not ours."""

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Redact the password of a client, whether mitmproxy let it in or not."""
        if "proxyauth" in flow.metadata:
            user, _password = flow.metadata["proxyauth"]
            flow.metadata["proxyauth"] = (user, _REDACTED)

    def response(self, flow: http.HTTPFlow) -> None:
        """Remove the password: the request has been sent, so the upstream proxy has it."""
        if "proxy-authorization" in flow.request.headers:
            flow.request.headers["proxy-authorization"] = _REDACTED

    def error(self, flow: http.HTTPFlow) -> None:
        """Do as after a response."""
        self.response(flow)

    def websocket_start(self, flow: http.HTTPFlow) -> None:
        """Do as after a response."""
        self.response(flow)
