"""How long the endpoint may say nothing: the setting `idle_timeout`.

mitmproxy waits for ever for an answer that has been asked for, and for the rest of one that has begun. A timer of the
event loop looks at a stream of ours now and then while it waits; if nothing has come for too long, the stream is woken
and ends the exchange like one whose connection broke. Silence is counted in the naps between two looks, which run on
the event loop's own clock, so a wall clock that jumps changes nothing; and what comes is only noted, so a delta costs
nothing more. A timer does not keep a stream that is over. (mitmproxy's own timers are tasks, and keep it.) A replayed
request waits as mitmproxy does: it has a person who waits for it.
"""

import asyncio
from itertools import pairwise
from typing import ClassVar
from weakref import WeakSet, ref

from mitmproxy import ctx
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import commands
from mitmproxy.proxy.events import Event, Wakeup
from mitmproxy.proxy.layer import CommandGenerator
from mitmproxy.proxy.layers.http import (
    HttpLayer,
    HttpStream,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseProtocolError,
    SendHttp,
)

from codex_transform.proxy import call as calls
from codex_transform.response.network_error import silent

# The longest time between two looks, in seconds.
_LONGEST_NAP = 10.0


class PatientStream(HttpStream):
    """A stream whose endpoint must send something at least every `Call.idle_timeout` seconds."""

    _streams: ClassVar[WeakSet["PatientStream"]] = WeakSet()
    _stopped = ""
    _heard = False
    _silence = 0.0
    _asleep = False

    def _handle_event(self, event: Event) -> CommandGenerator[None]:
        if isinstance(event, Wakeup):
            return self._give_up()
        self._heard = True
        handled: CommandGenerator[None] = super()._handle_event(event)
        return handled

    def state_wait_for_request_headers(self, event: RequestHeaders) -> CommandGenerator[None]:
        """Is remembered, if it is one of ours."""
        yield from super().state_wait_for_request_headers(event)
        if calls.of(self.flow):
            self._streams.add(self)

    def state_consume_request_body(self, event: Event) -> CommandGenerator[None]:
        """Begins to wait once the request has been sent."""
        yield from super().state_consume_request_body(event)
        if isinstance(event, RequestEndOfMessage) and self._is_waiting() and not self._asleep:
            self._nap()

    @classmethod
    def stop_all(cls, reason: str) -> None:
        """End every exchange that waits for its client or its endpoint, for this reason."""
        for stream in list(cls._streams):
            if not stream._stopped and (stream._is_waiting() or stream._is_receiving()):
                stream._stopped = reason
                _wake(stream)

    def look_up(self, napped: float) -> None:
        """So many seconds have passed since the last look."""
        self._asleep = False
        call = calls.of(self.flow)
        if call is None or not self._is_waiting():
            return
        self._silence = 0.0 if self._heard else self._silence + napped
        if self._silence < call.idle_timeout:
            self._nap()
        else:
            _wake(self)

    def _is_waiting(self) -> bool:
        over = (self.state_done, self.state_errored)
        return calls.of(self.flow) is not None and self.server_state not in over and self.client_state == over[0]

    def _is_receiving(self) -> bool:
        return calls.of(self.flow) is not None and self.client_state == self.state_consume_request_body

    def _nap(self) -> None:
        call = calls.of(self.flow)
        assert call is not None
        self._asleep, self._heard = True, False
        nap = min(_LONGEST_NAP, call.idle_timeout / 4)
        asyncio.get_running_loop().call_later(nap, _look_up, ref(self), nap)

    def _give_up(self) -> CommandGenerator[None]:
        call = calls.of(self.flow)
        # Something may have come while the wakeup was on its way.
        if call is None or not self._is_waiting() or (self._heard and not self._stopped):
            return
        reason = self._stopped or silent(self.flow.request.pretty_host, call.idle_timeout)
        yield SendHttp(RequestProtocolError(self.stream_id, reason, RequestProtocolError.code), self.context.server)
        yield from self.handle_protocol_error(ResponseProtocolError(self.stream_id, reason, ResponseProtocolError.code))


def _look_up(known: ref[PatientStream], napped: float) -> None:
    if stream := known():
        stream.look_up(napped)


def _wake(stream: PatientStream) -> None:
    """Has mitmproxy give the stream a `Wakeup`, as if it had asked for one."""
    proxyserver: Proxyserver = ctx.master.addons.get("proxyserver")
    handler = proxyserver.connections.get(stream.context.client.id)
    if handler is None:
        return
    wakeup = commands.RequestWakeup(0)
    for layer, child in pairwise(stream.context.layers):
        if isinstance(layer, HttpLayer):
            layer.command_sources[wakeup] = child
    task = asyncio.get_running_loop().create_task(handler.server_event(Wakeup(wakeup)))
    # An event loop holds its tasks weakly.
    _waking.add(task)
    task.add_done_callback(_waking.discard)


_waking: set[asyncio.Task[None]] = set()
