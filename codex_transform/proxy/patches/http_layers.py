"""Puts the streams and connections of `proxy.layers` in the place of mitmproxy's own."""

from mitmproxy import ctx, exceptions
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http import Http1Client, Http1Server, HttpStream

from codex_transform.proxy.layers.http1 import LenientHttp1Client, LenientHttp1Server
from codex_transform.proxy.layers.stream import CodexStream
from codex_transform.proxy.patches.class_replacement import ReplaceClasses, Replacement


class InstallHttpLayers(ReplaceClasses):
    """Addon: has mitmproxy use our layers while it is loaded."""

    replacements = (
        Replacement(http, HttpStream, CodexStream),
        Replacement(http, Http1Client, LenientHttp1Client),
        Replacement(http, Http1Server, LenientHttp1Server),
    )

    def configure(self, updated: set[str]) -> None:
        """Raise OptionsError for an option that would write keys into the log."""
        if "proxy_debug" in updated and ctx.options.proxy_debug:
            raise exceptions.OptionsError("proxy_debug logs every byte that is sent, keys included. Fix: leave it off")
