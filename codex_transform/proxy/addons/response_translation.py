"""Addon: translates the endpoint's response into what an OpenAI client expects.

The response to a streaming client is rewritten while it streams (see `layers/stream.py` for what no hook can do); any
other is complete when it gets here, and becomes one JSON object or an error.
"""

import logging
from typing import Any

from mitmproxy import http

from codex_transform.attempts.failure import from_error
from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps, loads_object
from codex_transform.proxy import responses
from codex_transform.proxy.addons.request_log import RequestLog
from codex_transform.proxy.call import Call, get_call
from codex_transform.proxy.stream_function import StreamFunction
from codex_transform.response import body_errors
from codex_transform.response.events_to_response import collect, events_to_response
from codex_transform.response.http_error import error_for_client
from codex_transform.response.stream import ResponseStream

logger = logging.getLogger(__name__)


class ResponseTranslation:
    """Rewrites responses."""

    def __init__(self, log: RequestLog) -> None:
        self.log = log

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Stream the response, or let mitmproxy collect it."""
        call = get_call(flow)
        response = flow.response
        if call is None or call.error or response is None:
            return
        if call.attempts:
            call.attempts.failover.report(response.headers.items())
        if call.streaming and _succeeded(response):
            encoding = response.headers.get("content-encoding")
            answer = ResponseStream(call.view, encoding)
            flow.response = responses.event_stream_response(flow)
            flow.response.stream = StreamFunction(answer, call.key)
            flow.response.stream.tap = call.tap
        else:
            # mitmproxy's option `stream_large_bodies` may have set it.
            response.stream = False

    def response(self, flow: http.HTTPFlow) -> None:
        """Rewrite a response that was collected, and finish its call."""
        call = get_call(flow)
        response = flow.response
        if call is None or response is None:
            return
        if isinstance(response.stream, StreamFunction) and response.stream.ended:
            # It has been streamed to the client.
            _take_down(call, response.stream)
            if call.attempts and (problem := response.stream.answer.error):
                call.attempts.failover.next(from_error(problem, 0.0), None)
        elif call.error is None:
            try:
                flow.response = _whole(call, response)
            except ApiError as error:
                call.set_error(error)
                flow.response = responses.error_response(error, response.headers)
            except Exception:
                logger.exception("rewriting an answer failed; it was not passed on")
                call.error = ApiError(502, "codex-transform failed on this answer; its log says why")
                flow.response = responses.error_response(call.error, response.headers)
            flow.response.timestamp_start = response.timestamp_start
            flow.response.timestamp_end = response.timestamp_end
        facts: dict[str, Any] = {}
        if call.error:
            call.outcome = "error"
        else:
            facts = {"events": call.events, "usage": call.usage, "repaired": call.repaired}
        self.log.log_response(flow, "error" if call.error else "response", **facts)

    def error(self, flow: http.HTTPFlow) -> None:
        """Finish a call whose client has left."""
        if call := get_call(flow):
            if flow.response and isinstance(flow.response.stream, StreamFunction):
                _take_down(call, flow.response.stream)
            call.outcome = "left"


def _succeeded(response: http.Response) -> bool:
    return 200 <= response.status_code < 300


def _whole(call: Call, response: http.Response) -> http.Response:
    """Return the response for a client that does not stream. Raises ApiError if it is an error."""
    if not _succeeded(response):
        assert call.endpoint is not None
        body = response.raw_content or b""
        raise error_for_client(response.status_code, response.headers, body, endpoint=call.endpoint.url)
    if isinstance(response.stream, StreamFunction):
        response.stream.prefetch(b"")  # raises for an empty body
    encoding = response.headers.get("content-encoding")
    if call.subpath:
        body = body_errors.parse_json(response.raw_content or b"", encoding)
        call.outcome = "completed"
        usage = (loads_object(body) or {}).get("usage")
        call.usage = usage if isinstance(usage, dict) and not call.answered_here else None
        return responses.json_response(response.status_code, body, response.headers)
    body, collected = response.raw_content or b"", call.collected
    # Another addon may have changed it since it was read.
    if collected and collected.body != body:
        collected = None
    answer = collected.answer if collected else ResponseStream(call.view, encoding)
    try:
        folded = events_to_response(collected or collect(body, answer))
        if call.on_response:
            call.on_response(folded)
    finally:
        _note(call, answer)
    return responses.json_response(200, dumps(folded), response.headers)


def _take_down(call: Call, streamed: StreamFunction) -> None:
    """Copy the figures of a streamed response into its call."""
    call.first_token = streamed.first_token
    _note(call, streamed.answer)


def _note(call: Call, answer: ResponseStream) -> None:
    call.events, call.usage, call.repaired = answer.events, answer.usage, sorted(answer.repaired)
    call.outcome = answer.status
