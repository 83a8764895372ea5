"""How long the endpoint may say nothing: the setting `idle_timeout`.

mitmproxy waits for ever for an answer that has been asked for, and for the rest of one that has begun. A stream of
ours looks up now and then while it waits, and if nothing has come for too long, ends the exchange like one whose
connection broke. Silence is counted in the naps between two looks, which run on the event loop's own clock, so a wall
clock that jumps changes nothing; and what comes is only noted, so a delta costs nothing more.
"""

from collections.abc import Generator
from typing import Any

from mitmproxy.proxy import commands
from mitmproxy.proxy.events import Event, Wakeup
from mitmproxy.proxy.layers.http import (
    HttpStream,
    RequestEndOfMessage,
    RequestProtocolError,
    ResponseProtocolError,
    SendHttp,
)

from codex_transform.proxy import call as calls
from codex_transform.response.unreachable import silent

Commands = Generator[commands.Command, Any, None]

# The longest time between two looks, in seconds: a timer keeps its flow in memory until it has run out.
_LONGEST_NAP = 10.0


class PatientStream(HttpStream):
    """A stream whose endpoint must send something at least every `Call.idle_timeout` seconds."""

    _heard = False
    _silence = 0.0
    _asleep = False

    def _handle_event(self, event: Event) -> Commands:
        if isinstance(event, Wakeup):
            return self._look_up(event.command.delay)
        self._heard = True
        handled: Commands = super()._handle_event(event)
        return handled

    def state_consume_request_body(self, event: Event) -> Commands:
        """Begins to wait once the request has been sent."""
        yield from super().state_consume_request_body(event)
        if isinstance(event, RequestEndOfMessage) and self._is_waiting() and not self._asleep:
            yield from self._nap()

    def _is_waiting(self) -> bool:
        over = (self.state_done, self.state_errored)
        return calls.of(self.flow) is not None and self.server_state not in over and self.client_state == over[0]

    def _nap(self) -> Commands:
        call = calls.of(self.flow)
        assert call is not None
        self._asleep, self._heard = True, False
        yield commands.RequestWakeup(min(_LONGEST_NAP, call.idle_timeout / 4))

    def _look_up(self, napped: float) -> Commands:
        self._asleep = False
        call = calls.of(self.flow)
        if call is None or not self._is_waiting():
            return
        self._silence = 0.0 if self._heard else self._silence + napped
        if self._silence < call.idle_timeout:
            yield from self._nap()
            return
        reason = silent(self.flow.request.pretty_host, call.idle_timeout)
        yield SendHttp(RequestProtocolError(self.stream_id, reason, RequestProtocolError.code), self.context.server)
        yield from self.handle_protocol_error(ResponseProtocolError(self.stream_id, reason, ResponseProtocolError.code))
