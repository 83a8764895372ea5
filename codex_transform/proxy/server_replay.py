"""Addon: leaves alone what mitmproxy answers from a flow file (`-S`, its server replay).

mitmproxy looks for a saved call once the request has been rewritten, which is how requests of ours are saved. The saved
response is what a client got then: it has been translated already, and it cost nothing now.
"""

from mitmproxy import http

from codex_transform.proxy import call as calls


class ServerReplay:
    """Takes a call that gets a saved response, or mitmproxy's answer where there is none, out of the translation."""

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Forget the call before anybody looks at its response."""
        if flow.is_replay == "response":
            calls.forget(flow)
