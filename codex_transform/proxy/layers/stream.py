"""Does what no hook can: holds back response headers, and answers if the endpoint cannot be reached or breaks off.

mitmproxy's HTTP layer forwards response headers before the first byte of the body is known, ends a broken stream by
closing the connection, and answers a failed connect with an HTML page of its own, all without asking an addon. It also
sends the same request object that it keeps. A stream of ours replaces its own for every request that mitmproxy handles,
including replayed ones. Flows that are not ours are handled as by mitmproxy; for ours

* the headers of a stream are held until the first bytes that will follow them, so that an empty answer, a login page or
  a connection lost at once still becomes an HTTP error, which every client knows how to show and to retry;
* a request that failed before that may be sent again: see `retry.py`;
* a stream that breaks off gets a terminal event, which its `StreamFunction` makes;
* a failure before that becomes an error in OpenAI's shape;
* the key is inserted when the request is sent, so that the flow never holds it (see `credentials.py`).
"""

import time
from contextlib import suppress

from mitmproxy import flow, http
from mitmproxy.connection import Connection
from mitmproxy.proxy.events import Event
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    HttpResponseHeadersHook,
    HttpResponseHook,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    SendHttp,
)
from mitmproxy.utils import human

from codex_transform.attempts.failure import Failure, from_error, from_response
from codex_transform.clients.advice import responses_api_advice
from codex_transform.errors import ApiError
from codex_transform.jsonio import loads_object
from codex_transform.proxy import credentials, responses
from codex_transform.proxy.call import Call, get_call
from codex_transform.proxy.layers.body_limit import BodyLimitMixin
from codex_transform.proxy.layers.http1 import FramingMixin
from codex_transform.proxy.layers.idle_timeout import IdleTimeoutMixin
from codex_transform.proxy.layers.retry import RetryMixin
from codex_transform.proxy.layers.websocket import WebSocketMixin
from codex_transform.proxy.live_body import LiveBodyHook, get_live_body
from codex_transform.proxy.passing import get_passing
from codex_transform.proxy.stream_function import StreamFunction
from codex_transform.redaction import redact_key, redact_key_text
from codex_transform.response.client_view import ClientView
from codex_transform.response.events_to_response import collect
from codex_transform.response.network_error import NOT_PROCESSED, connection_lost, is_lost, unreachable
from codex_transform.response.stream import ResponseStream
from codex_transform.text import one_line


class CodexStream(IdleTimeoutMixin, RetryMixin, BodyLimitMixin, FramingMixin, WebSocketMixin):
    """One request and its response."""

    def check_body_size(self, request: bool) -> CommandGenerator[bool]:
        """Keep mitmproxy's option `stream_large_bodies` from forwarding a body of ours before it is rewritten.

        This is called for every piece of a body, and reading an option copies it, so it is read only once here.
        """
        options = self.context.options
        if get_call(self.flow) and (not options.body_size_limit or options.stream_large_bodies):
            return False
        return (yield from super().check_body_size(request))

    def state_consume_request_body(self, event: Event) -> CommandGenerator[None]:
        """Send a copy of the request that has the key, which the flow's own does not, and note the time."""
        sending = super().state_consume_request_body(event)
        answer = None
        while True:
            try:
                command = sending.send(answer)
            except StopIteration:
                return
            if isinstance(command, SendHttp) and isinstance(command.event, RequestHeaders):
                command.event = self._with_credentials(command.event, command.connection)
            elif isinstance(command, SendHttp) and isinstance(command.event, RequestEndOfMessage):
                self._sent_at = time.monotonic()
            answer = yield command

    def state_wait_for_response_headers(self, event: Event) -> CommandGenerator[None]:
        """Receive the endpoint's headers, and redact the key, which they may quote."""
        call = get_call(self.flow)
        if call and isinstance(event, ResponseHeaders):
            fields = event.response.headers.fields
            event.response.headers.fields = tuple((name, redact_key(value, call.key)) for name, value in fields)
        yield from super().state_wait_for_response_headers(event)

    def state_consume_response_body(self, event: Event) -> CommandGenerator[None]:
        """Collect a body; in an error, redact the key, which it may quote."""
        call, response = get_call(self.flow), self.flow.response
        if call and response and isinstance(event, ResponseEndOfMessage):
            if response.status_code >= 300:
                body = redact_key(bytes(self.response_body_buf), call.key)
                self.response_body_buf.clear()
                self.response_body_buf += body
            failure = self._collected_failure(call, response)
            if failure is None:
                call.accepted()
            elif (yield from self._try_again(failure)):
                return
        yield from super().state_consume_response_body(event)

    def start_response_stream(self) -> CommandGenerator[None]:
        """Hold the headers of a streamed response until `state_hold_headers` sends them."""
        if self._streamed is None:
            yield from super().start_response_stream()
        else:
            self.server_state = self.state_hold_headers

    def state_hold_headers(self, event: Event) -> CommandGenerator[None]:
        """Wait for the first bytes of the stream, then send the headers to the client, or an error instead."""
        streamed = self._streamed
        assert streamed is not None
        data = event.data if isinstance(event, ResponseData) else b""
        try:
            ready = streamed.prefetch(data)
        except ApiError as error:
            if not isinstance(event, ResponseEndOfMessage):
                # The rest of the response is not needed, so cancel it. (The type of an error code differs between
                # mitmproxy 11 and 12; the class has the right one.)
                cancel = RequestProtocolError(self.stream_id, error.message, RequestProtocolError.code)
                yield SendHttp(cancel, self.context.server)
            if not (yield from self._try_again(from_error(error, self._elapsed, streamed.answer.usage))):
                yield from self._send_error(error)
            return
        if ready or isinstance(event, ResponseEndOfMessage):
            yield from self._send_headers()
            yield from self.state_stream_response_body(event)

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> CommandGenerator[None]:
        """Handle a connection that failed; if it was to the endpoint, the client gets a response."""
        call = get_call(self.flow)
        if call:
            event.message = redact_key_text(event.message, call.key)
        over = self.server_state in (self.state_done, self.state_errored)
        if call and over and isinstance(event, ResponseProtocolError):
            return  # mitmproxy reports a damaged body twice: when it reads it, and after it has closed the connection
        if (
            isinstance(event, ResponseProtocolError)
            and get_passing(self.flow)
            and self.flow.response is None
            and self.client_state == self.state_done
        ):
            yield from self._send_error(_unserved(self.flow.request, event.message))
            return
        if (
            call is None
            or isinstance(event, RequestProtocolError)
            or over
            or self.client_state != self.state_done
            or (self.flow.error and self.flow.error.msg == flow.Error.KILLED_MESSAGE)
        ):
            yield from super().handle_protocol_error(event)
            return
        if self._is_complete():
            yield from self.state_consume_response_body(ResponseEndOfMessage(self.stream_id))
            return
        try:
            self._abort(call, event.message)
        except ApiError as error:
            if not (yield from self._try_again(self._connection_failure(event.message))):
                yield from self._send_error(error)
            return
        if self.server_state == self.state_hold_headers:
            yield from self._send_headers()
        yield from self.state_stream_response_body(ResponseEndOfMessage(self.stream_id))

    def send_response(self, already_streamed: bool = False) -> CommandGenerator[None]:
        """Send a response; if it has a live body, send each piece when it is made."""
        body = get_live_body(self.flow)
        if body is None or already_streamed:
            yield from super().send_response(already_streamed)
            return
        assert self.flow.response
        yield HttpResponseHook(self.flow)
        self.server_state = self.state_done
        if (yield from self.check_killed(False)):
            return
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, end_stream=False), self.context.client)
        while True:
            yield LiveBodyHook(self.flow)
            piece = body.take()
            if not piece:
                break
            yield SendHttp(ResponseData(self.stream_id, piece), self.context.client)
        if self.client_state == self.state_done:
            yield from self.flow_done()

    def flow_done(self) -> CommandGenerator[None]:
        """End the exchange, and release the flow.

        A stream refers to itself, so Python frees it only some time after its end, and the flow's bodies with it. Later
        events, such as the loss of a connection, are ignored.
        """
        is_ours = get_call(self.flow) is not None
        yield from super().flow_done()
        if is_ours:
            self.flow = http.HTTPFlow(self.context.client, self.context.server)
            self._handle_event = _ignore  # type: ignore[method-assign]

    def _time_out(self) -> CommandGenerator[None]:
        """End an exchange because its endpoint is silent or the proxy is shutting down.

        A client that is still sending gets its answer now.
        """
        if not (self._stopped and self._is_receiving()):
            yield from super()._time_out()
            return
        self.client_state = self.state_errored
        yield from self._send_error(ApiError(503, f"{self._stopped}. Send the request again", code="proxy_stopped"))
        self.flow.live = False  # mitmproxy does this at the end of a request, which will not arrive

    def _with_credentials(self, event: RequestHeaders, connection: Connection) -> RequestHeaders:
        sent = credentials.with_credentials(event.request, get_call(self.flow) or get_passing(self.flow), connection)
        return RequestHeaders(event.stream_id, sent, event.end_stream)

    def _try_again(self, failure: Failure) -> CommandGenerator[bool]:
        """Make another attempt, or send the error that replaces the failure; return False if there is neither.

        No attempt is made while the proxy is shutting down.
        """
        decision = None if self._stopped else self._decide(failure)
        if isinstance(decision, ApiError):
            yield from self._send_error(decision)
        elif decision:
            yield from self._schedule(decision)
        return decision is not None

    def _collected_failure(self, call: Call, response: http.Response) -> Failure | None:
        """Return why a collected response is a failure; None if it is a valid response."""
        body = bytes(self.response_body_buf)
        if response.status_code >= 300 or response.status_code < 200:
            return from_response(response.status_code, response.headers, body, self._elapsed)
        if call.subpath:
            return None
        answer = ResponseStream(call.view, response.headers.get("content-encoding"))
        try:
            call.collected = collect(body, answer)
        except ApiError as error:
            return from_error(error, self._elapsed, answer.usage)
        return None

    def _connection_failure(self, reason: str) -> Failure:
        """Return the failure of a connection: it was lost if the request had been sent and nothing came back."""
        lost = self._sent_at is not None and not self._timed_out and not self.flow.response and is_lost(reason)
        return Failure(
            one_line(reason),
            lost=lost,
            reused=lost and self._reused,
            unprocessed=lost and reason == NOT_PROCESSED,
            unreachable=self._sent_at is None,
            elapsed=self._elapsed,
        )

    def _send_headers(self) -> CommandGenerator[None]:
        """Send the headers as mitmproxy does, but without its log line, which costs more than all the rest."""
        assert self.flow.response
        if call := get_call(self.flow):
            call.accepted()
        yield SendHttp(ResponseHeaders(self.stream_id, self.flow.response, end_stream=False), self.context.client)
        self.server_state = self.state_stream_response_body

    @property
    def _streamed(self) -> StreamFunction | None:
        stream = self.flow.response and self.flow.response.stream
        return stream if isinstance(stream, StreamFunction) else None

    def _has_ended(self) -> bool:
        if self._streamed is not None:
            return self._streamed.answer.status is not None
        return self._is_complete()

    def _is_complete(self) -> bool:
        """Return whether a response has been collected completely, however its connection ended."""
        response, body = self.flow.response, bytes(self.response_body_buf)
        if self._streamed is not None or response is None or not body:
            return False
        if response.status_code != 200:
            return response.status_code >= 300 and loads_object(body) is not None
        answer = ResponseStream(ClientView(), response.headers.get("content-encoding"))
        with suppress(ApiError):  # an error that arrived before anything else
            answer.feed(body)
        return answer.status in ("completed", "incomplete", "failed", "error")

    def _abort(self, call: Call, reason: str) -> None:
        """End the stream with a terminal event. Raises ApiError if the client can still get an error instead."""
        if self._streamed is not None:
            self._streamed.abort(reason)
        elif self.flow.response is not None:
            raise connection_lost(reason)
        else:
            via = self.flow.server_conn.via
            upstream_proxy = human.format_address(via[1]) if via else None
            raise unreachable(call.endpoint.origin if call.endpoint else self.flow.request.host, reason, upstream_proxy)

    def _send_error(self, error: ApiError) -> CommandGenerator[None]:
        if call := get_call(self.flow):
            call.set_error(error)
        self.flow.response = responses.error_response(error, self.flow.response.headers if self.flow.response else None)
        self.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(self.flow)
        yield from self.send_response()
        # Events that mitmproxy has queued while the hooks ran are dropped.
        self.server_state = self.state_errored


def _ignore(event: Event) -> CommandGenerator[None]:  # noqa: ARG001
    yield from ()


def _unserved(request: http.Request, reason: str) -> ApiError:
    """Return the error for a request that is not ours and whose host cannot be reached."""
    advice = responses_api_advice(request.headers.get("user-agent", ""))
    return ApiError(
        502,
        f"{request.host} cannot be reached ({one_line(reason, 160)}), so nothing was sent. This proxy serves OpenAI's"
        f" Responses API (POST /v1/responses), and {request.method} {one_line(request.path.partition('?')[0], 100)} is"
        f" another. Fix: {advice}",
        type="invalid_request_error",
        code="unsupported_path",
    )
