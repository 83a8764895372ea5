"""What no hook can do: hold back a response head, and answer when the endpoint cannot be reached or breaks off.

mitmproxy's HTTP layer passes a response head on before the first byte of the body is known, ends a broken stream by
closing the connection, and answers a failed connect with an HTML page of its own, all without asking an addon. This
layer takes its place for every connection. Flows that are not ours take mitmproxy's own way; for ours

* the head of a stream is held until the first bytes that will follow it, so that an empty answer, a login page or a
  connection lost at once still becomes an HTTP error, which every client knows how to show and to retry;
* a stream that breaks off gets the closing event that its `StreamedAnswer` makes for it;
* a failure before that becomes an error in OpenAI's shape.
"""

import time
from collections.abc import Generator
from typing import Any

from mitmproxy import ctx, flow
from mitmproxy.proxy import commands, layer
from mitmproxy.proxy.events import Event, Start
from mitmproxy.proxy.layers.http import (
    HttpLayer,
    HttpResponseHeadersHook,
    HttpStream,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseProtocolError,
    ResponseTrailers,
    SendHttp,
)

from codex_transform.errors import ApiError
from codex_transform.proxy import call as calls
from codex_transform.proxy import reply
from codex_transform.proxy.streamed import StreamedAnswer
from codex_transform.response.unreachable import unreachable
from codex_transform.response.whole import cut_off

Commands = Generator[commands.Command, Any, None]


class CodexLayer(HttpLayer):
    """mitmproxy's HTTP layer with `CodexStream`s in it."""

    def make_stream(self, stream_id: int) -> Commands:
        """A stream for a request that has begun."""
        self.streams[stream_id] = CodexStream(self.context.fork(), stream_id)
        yield from self.event_to_child(self.streams[stream_id], Start())


class CodexStream(HttpStream):
    """One request and its response."""

    def check_body_size(self, request: bool) -> Generator[commands.Command, Any, bool]:
        """Keeps mitmproxy's option `stream_large_bodies` from sending a body of ours on before it is rewritten."""
        if calls.of(self.flow) and self.context.options.stream_large_bodies:
            return False
        return (yield from super().check_body_size(request))

    def start_response_stream(self) -> Commands:
        """Holds the head of a streamed answer until `state_hold_head` lets it go."""
        if self._streamed is None:
            yield from super().start_response_stream()
        else:
            self.server_state = self.state_hold_head

    def state_hold_head(self, event: Event) -> Commands:
        """The endpoint's head has come, the client's has not left."""
        streamed = self._streamed
        assert streamed is not None
        if isinstance(event, ResponseTrailers):
            return
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
            yield from super().start_response_stream()
            yield from self.state_stream_response_body(event)

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        """The connection to the client or to the endpoint failed; for the latter there is an answer to give."""
        call = calls.of(self.flow)
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
        try:
            self._break_off(call, event.message)
        except ApiError as error:
            yield from self._answer_with(error)
            return
        if self.server_state == self.state_hold_head:
            yield from super().start_response_stream()
        yield from self.state_stream_response_body(ResponseEndOfMessage(self.stream_id))

    @property
    def _streamed(self) -> StreamedAnswer | None:
        stream = self.flow.response and self.flow.response.stream
        return stream if isinstance(stream, StreamedAnswer) else None

    def _break_off(self, call: calls.Call, reason: str) -> None:
        """Has the streamed answer close itself; raises ApiError if the client can still get an error instead."""
        if self._streamed is not None:
            self._streamed.break_off(reason)
        elif self.flow.response is not None:
            raise cut_off(f"The connection broke before the answer was complete: {reason}")
        else:
            raise unreachable(call.endpoint.origin if call.endpoint else self.flow.request.host, reason)

    def _answer_with(self, error: ApiError) -> Commands:
        call = calls.of(self.flow)
        assert call is not None
        call.error = error
        self.flow.response = reply.error(error, self.flow.response.headers if self.flow.response else None)
        self.flow.response.timestamp_start = time.time()
        yield HttpResponseHeadersHook(self.flow)
        yield from self.send_response()
        # What mitmproxy has held back while the hooks ran has nowhere to go.
        self.server_state = self.state_errored


class Layers:
    """Addon: puts the layer in place."""

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Has mitmproxy decide what comes next on a connection, and makes its HTTP layers ours.

        Scripts are asked before mitmproxy's own addon, which decides only where nobody has.
        """
        ctx.master.addons.get("nextlayer").next_layer(nextlayer)
        for chosen in nextlayer.context.layers:
            if type(chosen) is HttpLayer:
                # In place: the layer may already be wired into others, and has no state yet that differs.
                chosen.__class__ = CodexLayer
