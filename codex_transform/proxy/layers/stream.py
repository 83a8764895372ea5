"""What no hook can do: hold back a response head, and answer when the endpoint cannot be reached or breaks off.

mitmproxy's HTTP layer passes a response head on before the first byte of the body is known, ends a broken stream by
closing the connection, and answers a failed connect with an HTML page of its own, all without asking an addon. It also
sends the very request that it keeps. A stream of ours takes the place of its own, for every request that mitmproxy
handles, replayed ones included. Flows that are not ours take mitmproxy's own way; for ours

* the head of a stream is held until the first bytes that will follow it, so that an empty answer, a login page or a
  connection lost at once still becomes an HTTP error, which every client knows how to show and to retry;
* a stream that breaks off gets the closing event that its `StreamedAnswer` makes for it;
* a failure before that becomes an error in OpenAI's shape;
* the key is put in as the request leaves, so that the flow never holds it (see `keys.py`).
"""

import time

from mitmproxy import ctx, exceptions, flow
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Connection
from mitmproxy.proxy.events import Event
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http import (
    Http1Client,
    Http1Server,
    HttpResponseHeadersHook,
    HttpStream,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    SendHttp,
)
from mitmproxy.utils import human

from codex_transform.errors import ApiError
from codex_transform.proxy import call as calls
from codex_transform.proxy import credentials, responses
from codex_transform.proxy.layers.body_limit import BoundedStream
from codex_transform.proxy.layers.coalesce import OneWriteClient, OneWriteServer, RequestHead, ResponseHead
from codex_transform.proxy.layers.http1 import FramedStream
from codex_transform.proxy.layers.idle_timeout import PatientStream
from codex_transform.proxy.layers.retry import ReconnectingStream
from codex_transform.proxy.stream_function import StreamedAnswer
from codex_transform.redaction import redact_key, redact_key_text
from codex_transform.response.network_error import broken_off, unreachable
from codex_transform.response.stream import AnswerStream

# A body of so many bytes is worth being copied, for one write rather than two.
_SMALL = 1 << 16


class CodexStream(PatientStream, ReconnectingStream, BoundedStream, FramedStream):
    """One request and its response."""

    def check_body_size(self, request: bool) -> CommandGenerator[bool]:
        """Keeps mitmproxy's option `stream_large_bodies` from sending a body of ours on before it is rewritten.

        It is asked with every piece of a body, and every look at an option copies it: one is the least.
        """
        options = self.context.options
        if calls.of(self.flow) and (not options.body_size_limit or options.stream_large_bodies):
            return False
        return (yield from super().check_body_size(request))

    def state_consume_request_body(self, event: Event) -> CommandGenerator[None]:
        """Sends the request, as a copy that has the key: the flow keeps the one that has not."""
        sending = super().state_consume_request_body(event)
        answer = None
        while True:
            try:
                command = sending.send(answer)
            except StopIteration:
                return
            if isinstance(command, SendHttp) and isinstance(command.event, RequestHeaders):
                command.event = self._on_the_wire(command.event, command.connection)
            answer = yield command

    def state_wait_for_response_headers(self, event: Event) -> CommandGenerator[None]:
        """Takes the endpoint's head, without the key that it may quote."""
        call = calls.of(self.flow)
        if call and isinstance(event, ResponseHeaders):
            fields = event.response.headers.fields
            event.response.headers.fields = tuple((name, redact_key(value, call.key)) for name, value in fields)
        yield from super().state_wait_for_response_headers(event)

    def state_consume_response_body(self, event: Event) -> CommandGenerator[None]:
        """Collects a body; that of an error without the key that it may quote."""
        call, response = calls.of(self.flow), self.flow.response
        if call and response and response.status_code >= 300 and isinstance(event, ResponseEndOfMessage):
            body = redact_key(bytes(self.response_body_buf), call.key)
            self.response_body_buf.clear()
            self.response_body_buf += body
        yield from super().state_consume_response_body(event)

    def start_response_stream(self) -> CommandGenerator[None]:
        """Holds the head of a streamed answer until `state_hold_head` lets it go."""
        if self._streamed is None:
            yield from super().start_response_stream()
        else:
            self.server_state = self.state_hold_head

    def state_hold_head(self, event: Event) -> CommandGenerator[None]:
        """The endpoint's head has come, the client's has not left."""
        streamed = self._streamed
        assert streamed is not None
        data = event.data if isinstance(event, ResponseData) else b""
        try:
            ready = streamed.hold(data)
        except ApiError as error:
            if not isinstance(event, ResponseEndOfMessage):
                # The rest of it is of no use: the endpoint need not send it. (The type of a code differs between
                # mitmproxy 11 and 12; the class has the right one.)
                cancel = RequestProtocolError(self.stream_id, error.message, RequestProtocolError.code)
                yield SendHttp(cancel, self.context.server)
            yield from self._answer_with(error)
            return
        if ready or isinstance(event, ResponseEndOfMessage):
            yield from self._send_head()
            yield from self.state_stream_response_body(event)

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> CommandGenerator[None]:
        """The connection to the client or to the endpoint failed; for the latter there is an answer to give."""
        call = calls.of(self.flow)
        if call:
            event.message = redact_key_text(event.message, call.key)
        over = self.server_state in (self.state_done, self.state_errored)
        if call and over and isinstance(event, ResponseProtocolError):
            return  # mitmproxy reports a damaged body twice: when it reads it, and when it has closed the connection
        if (
            call is None
            or isinstance(event, RequestProtocolError)
            or over
            or self.client_state != self.state_done
            or (self.flow.error and self.flow.error.msg == flow.Error.KILLED_MESSAGE)
        ):
            yield from super().handle_protocol_error(event)
            return
        if self._is_whole():
            yield from self.state_consume_response_body(ResponseEndOfMessage(self.stream_id))
            return
        try:
            self._break_off(call, event.message)
        except ApiError as error:
            yield from self._answer_with(error)
            return
        if self.server_state == self.state_hold_head:
            yield from self._send_head()
        yield from self.state_stream_response_body(ResponseEndOfMessage(self.stream_id))

    def _give_up(self) -> CommandGenerator[None]:
        """The endpoint is silent, or the proxy is stopped: a client that is still sending gets its answer now."""
        if not (self._stopped and self._is_receiving()):
            yield from super()._give_up()
            return
        self.client_state = self.state_errored
        yield from self._answer_with(ApiError(503, f"{self._stopped}. Send the request again", code="proxy_stopped"))
        self.flow.live = False  # mitmproxy does that at the end of a request, which is not going to come

    def _on_the_wire(self, event: RequestHeaders, connection: Connection) -> RequestHeaders:
        sent = credentials.on_the_wire(event.request, calls.of(self.flow), connection)
        small = 0 < len(sent.raw_content or b"") <= _SMALL
        return (RequestHead if small else RequestHeaders)(event.stream_id, sent, event.end_stream)

    def _send_head(self) -> CommandGenerator[None]:
        """Lets the head go as mitmproxy does, but without a line in its log, which costs more than all of this."""
        assert self.flow.response
        yield SendHttp(ResponseHead(self.stream_id, self.flow.response, end_stream=False), self.context.client)
        self.server_state = self.state_stream_response_body

    @property
    def _streamed(self) -> StreamedAnswer | None:
        stream = self.flow.response and self.flow.response.stream
        return stream if isinstance(stream, StreamedAnswer) else None

    def _is_whole(self) -> bool:
        """True when all of an answer has been collected and only the end of the connection was untidy."""
        response = self.flow.response
        if self._streamed is not None or response is None or response.status_code != 200:
            return False
        answer = AnswerStream(None, response.headers.get("content-encoding"))
        try:
            answer.feed(bytes(self.response_body_buf))
        except ApiError:
            return False
        return answer.status in ("completed", "incomplete")

    def _break_off(self, call: calls.Call, reason: str) -> None:
        """Has the streamed answer close itself; raises ApiError if the client can still get an error instead."""
        if self._streamed is not None:
            self._streamed.break_off(reason)
        elif self.flow.response is not None:
            raise broken_off(reason)
        else:
            via = self.flow.server_conn.via
            upstream_proxy = human.format_address(via[1]) if via else None
            raise unreachable(call.endpoint.origin if call.endpoint else self.flow.request.host, reason, upstream_proxy)

    def _answer_with(self, error: ApiError) -> CommandGenerator[None]:
        call = calls.of(self.flow)
        assert call is not None
        call.fail(error)
        self.flow.response = responses.error(error, self.flow.response.headers if self.flow.response else None)
        self.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(self.flow)
        yield from self.send_response()
        # What mitmproxy has held back while the hooks ran has nowhere to go.
        self.server_state = self.state_errored


class Layers:
    """Addon: puts our stream in place, and our reading of HTTP/1 bodies."""

    def load(self, _loader: Loader) -> None:
        """Has mitmproxy's HTTP layers make streams and connections of ours.

        They look the names up when a request begins, whoever made the layer: the proxy in any of its modes, or client
        replay, which asks no addon about layers.
        """
        http.HttpStream = CodexStream  # type: ignore[misc]
        http.Http1Client = OneWriteClient  # type: ignore[misc]
        http.Http1Server = OneWriteServer  # type: ignore[misc]

    def done(self) -> None:
        """mitmproxy ends, or reloads the script."""
        http.HttpStream = HttpStream  # type: ignore[misc]
        http.Http1Client = Http1Client  # type: ignore[misc]
        http.Http1Server = Http1Server  # type: ignore[misc]

    def configure(self, updated: set[str]) -> None:
        """Raises OptionsError for an option that would write keys into the log."""
        if "proxy_debug" in updated and ctx.options.proxy_debug:
            raise exceptions.OptionsError("proxy_debug logs every byte that is sent, keys included: leave it off")
