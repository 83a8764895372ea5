"""Limits how much of a body is kept in memory.

mitmproxy collects a body that is not streamed, however long it gets. A stream of ours collects no more of a request or
a response than any real one contains, no more of an error than is useful, and nothing of a request that was answered
before its body arrived, as by a proxy that requires a password first.
"""

from mitmproxy.proxy.events import Event
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    HttpStream,
    RequestData,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseProtocolError,
    SendHttp,
)

from codex_transform.errors import ApiError
from codex_transform.proxy import responses
from codex_transform.proxy.call import get_call
from codex_transform.proxy.local_request import get_local_request, get_models_request
from codex_transform.proxy.websocket import get_socket
from codex_transform.response.body_errors import MAX_BODY

MAX_ERROR_BODY = 1024 * 1024


class BodyLimitMixin(HttpStream):
    """A stream that keeps bodies within bounds."""

    def state_consume_request_body(self, event: Event) -> CommandGenerator[None]:
        """Collect the body; drop that of a request that has been answered already, or is too long."""
        if isinstance(event, RequestData):
            if len(self.request_body_buf) + len(event.data) > MAX_BODY:
                self._refuse_body()
            if self.flow.response:
                return
        yield from super().state_consume_request_body(event)

    def _refuse_body(self) -> None:
        """Answer a request of ours that is too long; the answer is sent once the client has sent all of it."""
        call = get_call(self.flow)
        if call or get_local_request(self.flow) or get_models_request(self.flow) or get_socket(self.flow):
            problem = f"Your input exceeds the context window: the request is longer than {MAX_BODY // 1_000_000} MB"
            # Clients know by the code that they have to compact the conversation.
            error = ApiError(400, f"{problem}. Fix: send less, or compact it.", code="context_length_exceeded")
            if call:
                call.set_error(error)
            self.request_body_buf.clear()
            self.flow.response = responses.error_response(error)

    def state_consume_response_body(self, event: Event) -> CommandGenerator[None]:
        """Collect the body; fail a response that is too long, and truncate an error that is."""
        response = self.flow.response
        if isinstance(event, ResponseData) and response and get_call(self.flow):
            failed = response.status_code >= 300
            if len(self.response_body_buf) + len(event.data) > (MAX_ERROR_BODY if failed else MAX_BODY):
                yield from self._stop_reading(failed)
                return
        yield from super().state_consume_response_body(event)

    def _stop_reading(self, failed: bool) -> CommandGenerator[None]:
        reason = f"it is longer than {MAX_BODY // 1_000_000} MB"
        yield SendHttp(RequestProtocolError(self.stream_id, reason, RequestProtocolError.code), self.context.server)
        if failed:
            yield from self.state_consume_response_body(ResponseEndOfMessage(self.stream_id))
        else:
            self.response_body_buf.clear()
            yield from self.handle_protocol_error(
                ResponseProtocolError(self.stream_id, reason, ResponseProtocolError.code)
            )
        if self.server_state == self.state_done:  # else another attempt follows, or nothing does
            self.server_state = self.state_errored  # which drops the data that still arrives
