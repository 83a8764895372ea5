"""Addon: provides paths of the API that the endpoint does not have: counting input tokens, and compacting.

An endpoint that answers that it does not know the path gets no request for it for a day.
"""

import logging
import time
from typing import Any

from mitmproxy import http

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps, loads_object
from codex_transform.proxy import responses
from codex_transform.proxy.call import Call, get_call
from codex_transform.proxy.replay import Replay, copy_request
from codex_transform.request.client_request import write_request
from codex_transform.request.input_items import message
from codex_transform.state.ids import new_id
from codex_transform.state.token_count import estimate_tokens

logger = logging.getLogger(__name__)

_UNKNOWN_PATH = (404, 405, 501)
_ASK_AGAIN = 24 * 3600.0
"""Seconds after which the endpoint is asked for a path again."""

_SUMMARY_REQUEST = (
    "Write a summary of this conversation, from which it can go on without its messages: what the user wants, what has"
    " been decided and done, which files, names and values matter, what failed, and what is still to be done. Answer"
    " with the summary alone."
)
_SUMMARY_TITLE = "Summary of the conversation up to here:"


class MissingPaths:
    """Answers `/responses/input_tokens` and `/responses/compact` for endpoints that lack them."""

    def __init__(self) -> None:
        self._missing: dict[tuple[str, str], float] = {}

    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer at once if the endpoint is known to lack the path."""
        call = get_call(flow)
        if call is None or not call.subpath or call.endpoint is None or flow.response:
            return
        if time.monotonic() < self._missing.get((call.endpoint.url, call.subpath), 0):
            await self._stand_in(flow, call)

    async def response(self, flow: http.HTTPFlow) -> None:
        """Replace the response of an endpoint that does not know the path."""
        call, response = get_call(flow), flow.response
        if call is None or not call.subpath or call.error or call.endpoint is None or response is None:
            return
        if response.status_code in _UNKNOWN_PATH:
            self._missing[call.endpoint.url, call.subpath] = time.monotonic() + _ASK_AGAIN
            await self._stand_in(flow, call)

    async def _stand_in(self, flow: http.HTTPFlow, call: Call) -> None:
        try:
            answer = _counted(call) if call.subpath == "/input_tokens" else await _compacted(flow, call)
            flow.response, call.answered_here = responses.json_response(200, dumps(answer)), True
        except ApiError as error:
            call.set_error(error)
            flow.response = responses.error_response(error)


def _counted(call: Call) -> dict[str, Any]:
    body = call.transformed.body if call.transformed else {}
    return {"object": "response.input_tokens", "input_tokens": estimate_tokens(body), "estimated": True}


async def _compacted(flow: http.HTTPFlow, call: Call) -> dict[str, Any]:
    """Return a compaction made from the model's response: the user's messages, and a summary of everything else."""
    assert call.transformed is not None
    body = call.transformed.body
    asked = {
        "model": call.transformed.resolved.asked,
        "instructions": body.get("instructions"),
        "input": [*body["input"], message("user", _SUMMARY_REQUEST)],
        "store": False,
    }
    path = (call.path or flow.request.path).replace("/compact", "")
    asking = copy_request(flow, path, write_request(asked))
    await Replay(asking).run()
    answer = loads_object(asking.response.content or b"") if asking.response else None
    if asking.response is None or asking.response.status_code != 200 or answer is None:
        error = (answer or {}).get("error")
        reason = error.get("message") if isinstance(error, dict) else "the endpoint did not answer"
        status = asking.response.status_code if asking.response else 502
        raise ApiError(status, f"the endpoint cannot compact, and the model wrote no summary: {reason}")
    text = "\n".join(
        part["text"]
        for item in answer.get("output", ())
        for part in item.get("content") or ()
        if isinstance(part.get("text"), str)
    )
    users = [item for item in body["input"] if item.get("role") == "user"]
    return {
        "id": new_id("resp"),
        "object": "response.compaction",
        "created_at": int(time.time()),
        "output": [*users, message("developer", f"{_SUMMARY_TITLE}\n{text}")],
        "usage": answer.get("usage"),
    }
