"""Puts the streams and connections of `proxy.layers` in the place of mitmproxy's own.

mitmproxy looks the classes up when a request begins, whoever made the layer: the proxy in any of its modes, or client
replay, which asks no addon about layers. So they are replaced in the module.
"""

from mitmproxy import ctx, exceptions
from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http import Http1Client, Http1Server, HttpStream

from codex_transform.proxy.layers.http1 import LenientHttp1Client, LenientHttp1Server
from codex_transform.proxy.layers.stream import CodexStream


class InstallHttpLayers:
    """Addon: has mitmproxy use our layers while it is loaded."""

    def load(self, _loader: Loader) -> None:
        """Replace the classes."""
        http.HttpStream = CodexStream  # type: ignore[misc]
        http.Http1Client = LenientHttp1Client  # type: ignore[misc]
        http.Http1Server = LenientHttp1Server  # type: ignore[misc]

    def done(self) -> None:
        """Put mitmproxy's own back: it ends, or reloads the script."""
        http.HttpStream = HttpStream  # type: ignore[misc]
        http.Http1Client = Http1Client  # type: ignore[misc]
        http.Http1Server = Http1Server  # type: ignore[misc]

    def configure(self, updated: set[str]) -> None:
        """Raise OptionsError for an option that would write keys into the log."""
        if "proxy_debug" in updated and ctx.options.proxy_debug:
            raise exceptions.OptionsError("proxy_debug logs every byte that is sent, keys included. Fix: leave it off")
