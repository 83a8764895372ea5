"""Ends exchanges whose endpoint sends nothing for too long: the setting `idle_timeout`.

mitmproxy waits for ever for an answer, and for the rest of one that has begun. A stream of ours requests wakeups at
intervals as long as its call lasts. Data that arrives only sets a flag, so a delta costs nothing more; idle time is the
sum of the intervals without data, measured by the event loop's clock, so that a jump of the wall clock changes nothing.
When it is too long, or the proxy is shutting down, the exchange ends like one whose connection broke. Some endpoints
keep the connection open after the terminal event: then the client's response ends at the next check.
"""

from typing import ClassVar
from weakref import WeakSet

from mitmproxy.proxy import commands
from mitmproxy.proxy.events import Event, Wakeup
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    HttpStream,
    RequestHeaders,
    RequestProtocolError,
    ResponseEndOfMessage,
    ResponseProtocolError,
    SendHttp,
)

from codex_transform.proxy.call import get_call
from codex_transform.response.network_error import idle_timeout_reason

# The longest time between two checks, in seconds; also how soon an exchange ends when the proxy shuts down.
_MAX_CHECK_INTERVAL = 0.5


class IdleTimeoutMixin(HttpStream):
    """A stream whose endpoint must send something at least every `Call.idle_timeout` seconds."""

    _streams: ClassVar[WeakSet["IdleTimeoutMixin"]] = WeakSet()
    _stopped = ""
    _timed_out = False
    _received = False
    _idle_seconds = 0.0
    _check_pending: commands.RequestWakeup | None = None

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        if isinstance(event, Wakeup) and event.command is self._check_pending:
            return self._check_idle(event.command.delay)
        self._received = True
        handled: CommandGenerator[None] = super()._handle_event(event)
        return handled

    def state_wait_for_request_headers(self, event: RequestHeaders) -> CommandGenerator[None]:
        """Start the checks if the request is ours."""
        yield from super().state_wait_for_request_headers(event)
        if get_call(self.flow):
            self._streams.add(self)
            yield from self._schedule_check()

    @classmethod
    def stop_all(cls, reason: str) -> None:
        """End every exchange that waits for its client or its endpoint within half a second; `reason` is its error."""
        for stream in list(cls._streams):
            if not stream._stopped and (stream._is_waiting() or stream._is_receiving()):
                stream._stopped = reason

    def _schedule_check(self) -> CommandGenerator[None]:
        call = get_call(self.flow)
        assert call is not None
        self._received = False
        self._check_pending = commands.RequestWakeup(min(_MAX_CHECK_INTERVAL, call.idle_timeout / 4))
        yield self._check_pending

    def _check_idle(self, interval: float) -> CommandGenerator[None]:
        self._check_pending = None
        call = get_call(self.flow)
        if call is None or not (self._is_waiting() or self._is_receiving()):
            return
        quiet = self._is_waiting() and not self._received
        self._idle_seconds = self._idle_seconds + interval if quiet else 0.0
        if quiet and self._has_ended():
            yield from self._end()
        elif self._stopped or self._idle_seconds >= call.idle_timeout:
            yield from self._time_out()
        if self._is_waiting() or self._is_receiving():  # still, or again, if another attempt follows
            yield from self._schedule_check()

    def _has_ended(self) -> bool:
        """Return whether the response is complete although its body has not ended."""
        return False

    def _end(self) -> CommandGenerator[None]:
        """End the exchange as if the body had ended, and close the connection to the endpoint."""
        reason = "the response was complete"
        yield SendHttp(RequestProtocolError(self.stream_id, reason, RequestProtocolError.code), self.context.server)
        yield from self._handle_event(ResponseEndOfMessage(self.stream_id))

    def _is_waiting(self) -> bool:
        over = (self.state_done, self.state_errored)
        return get_call(self.flow) is not None and self.server_state not in over and self.client_state == over[0]

    def _is_receiving(self) -> bool:
        return get_call(self.flow) is not None and self.client_state == self.state_consume_request_body

    def _time_out(self) -> CommandGenerator[None]:
        call = get_call(self.flow)
        assert call is not None
        self._timed_out = True
        reason = self._stopped or idle_timeout_reason(self.flow.request.pretty_host, call.idle_timeout)
        yield SendHttp(RequestProtocolError(self.stream_id, reason, RequestProtocolError.code), self.context.server)
        yield from self.handle_protocol_error(ResponseProtocolError(self.stream_id, reason, ResponseProtocolError.code))
