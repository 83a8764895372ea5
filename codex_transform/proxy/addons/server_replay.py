"""Addon: leaves responses from a flow file (`-S`, mitmproxy's server replay) unchanged, and forwards nothing else.

mitmproxy looks for a saved call after the request has been rewritten, because requests of ours are saved in that form.
The saved response is what a client got then: it has already been translated, and it costs nothing now.
"""

import logging

from mitmproxy import ctx, http

from codex_transform.proxy.call import forget_call, get_call

logger = logging.getLogger(__name__)


class ServerReplay:
    """Takes a call that gets a saved response, or mitmproxy's answer where there is none, out of the translation."""

    def request(self, flow: http.HTTPFlow) -> None:
        """Enforce `server_replay_extra` once all saved calls have been used: mitmproxy then forwards in spite of it.

        The request has been rewritten, and mitmproxy's own addon follows directly.
        """
        options = ctx.options
        if get_call(flow) is None or flow.response or not options.server_replay:
            return
        extra = "kill" if options.server_replay_kill_extra else options.server_replay_extra
        if extra == "forward" or ctx.master.commands.call("replay.server.count"):
            return
        logger.warning("all saved calls have been replayed; this request gets what server_replay_extra says: %s", extra)
        forget_call(flow)
        if extra == "kill":
            flow.kill()
        else:
            flow.response = http.Response.make(int(extra))
            flow.is_replay = "response"

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Forget the call before another addon handles its response."""
        if flow.is_replay == "response":
            forget_call(flow)
