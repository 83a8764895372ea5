"""Puts the HTTP/2 connections of `proxy.layers` in the place of mitmproxy's own."""

from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http import Http2Client, Http2Server, _http2
from mitmproxy.proxy.layers.http._http_h2 import BufferedH2Connection

from codex_transform.proxy.layers.http2 import GracefulH2Connection, GracefulHttp2Client, GracefulHttp2Server
from codex_transform.proxy.patches.class_replacement import ReplaceClasses, Replacement


class InstallHttp2Layers(ReplaceClasses):
    """Addon: has mitmproxy use our HTTP/2 connections while it is loaded."""

    replacements = (
        Replacement(_http2, BufferedH2Connection, GracefulH2Connection),
        Replacement(http, Http2Client, GracefulHttp2Client),
        Replacement(http, Http2Server, GracefulHttp2Server),
    )
