"""Send a request that no client waits for, through all addons, by mitmproxy's client replay."""

from mitmproxy import ctx, http
from mitmproxy.addons.clientplayback import ReplayHandler

from codex_transform.proxy.visitor import copy_visitor


class Replay:
    """Sends the request of a flow, which is not live. It is over when the flow has a response or an error."""

    def __init__(self, flow: http.HTTPFlow) -> None:
        flow.is_replay, flow.response, flow.error = "request", None, None
        self._handler = ReplayHandler(flow, ctx.options)

    async def run(self) -> None:
        """Send it, and wait until it is over."""
        await self._handler.replay()

    def cancel(self) -> None:
        """Close the connection to the endpoint: what has come of the answer is all."""
        for connection in list(self._handler.transports.values()):
            if connection.handler:
                connection.handler.cancel()


def copy_request(flow: http.HTTPFlow, path: str, content: bytes) -> http.HTTPFlow:
    """Return a flow with the request of another one, for another path and with another body."""
    copy: http.HTTPFlow = flow.copy()
    copy.response = copy.error = None
    copy.comment = copy.marked = ""
    copy.metadata.clear()
    copy.request.path = path
    copy.request.headers.pop("content-encoding", None)
    copy.request.content = content
    copy_visitor(flow, copy)
    return copy
