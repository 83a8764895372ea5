"""Puts the HTTP/2 connections of `proxy.layers` in the place of mitmproxy's own, as `http_layers` does for streams."""

from mitmproxy.addonmanager import Loader
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http import Http2Client, Http2Server, _http2
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection

from codex_transform.proxy.layers.http2 import GracefulH2Connection, GracefulHttp2Client, GracefulHttp2Server


class InstallHttp2Layers:
    """Addon: has mitmproxy use our HTTP/2 connections while it is loaded."""

    def load(self, _loader: Loader) -> None:
        """Replace the classes."""
        _http2.BufferedH2Connection = GracefulH2Connection  # type: ignore[misc]
        http.Http2Client = GracefulHttp2Client  # type: ignore[misc]
        http.Http2Server = GracefulHttp2Server  # type: ignore[misc]

    def done(self) -> None:
        """Put mitmproxy's own back: it ends, or reloads the script."""
        _http2.BufferedH2Connection = BufferedH2Connection  # type: ignore[misc]
        http.Http2Client = Http2Client  # type: ignore[misc]
        http.Http2Server = Http2Server  # type: ignore[misc]
