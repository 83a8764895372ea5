"""Addon: drains calls when the program ends.

Calls in progress get `codex_drain_timeout` seconds to finish; new ones are refused, and clients whose calls are then
cut off get an error that says so. Where a load balancer polls the readiness, new calls are served for a moment longer,
until it has noticed: their requests are too large for it to keep a copy and send that to another worker. mitmproxy
itself closes all connections at SIGTERM and Ctrl-C: a client would take half an answer for a network failure, and the
call would leave no record. A second signal cuts calls off at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar
from weakref import WeakSet

from mitmproxy import ctx, http
from mitmproxy.connection import Client

from codex_transform.errors import ApiError
from codex_transform.proxy import responses
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.connect_timeout import ConnectTimeout
from codex_transform.proxy.call import forget_call, get_call
from codex_transform.proxy.layers.idle_timeout import IdleTimeoutMixin
from codex_transform.proxy.patches import transports
from codex_transform.proxy.refusals import Refusals
from codex_transform.response.network_error import STOPPED
from codex_transform.signals import on_termination

logger = logging.getLogger(__name__)

# Seconds between checks whether the last call has finished, and for the errors of calls that are cut off.
_POLL_INTERVAL = 0.02
_CLOSE_TIMEOUT = 2.0

# Who asked for the readiness so many seconds ago asks again, and has noticed within so many seconds that it is gone.
_WATCHED = 10.0
_GRACE = 2.0


class Drain:
    """Ends mitmproxy when its calls have ended."""

    # Includes the calls from before a reload of the script.
    _flows: ClassVar[WeakSet[http.HTTPFlow]] = WeakSet()
    _clients: ClassVar[WeakSet[Client]] = WeakSet()

    def __init__(self, config: Config, limits: ConnectTimeout, refusals: Refusals) -> None:
        self.config = config
        self.refusals = refusals
        self.limits = limits
        self._draining = False
        self._refusing = False
        self._asked_at = -_WATCHED
        self._cut = False
        self._deadline = 0.0
        self._before_end: list[Callable[[], bool]] = []

    def running(self) -> None:
        """Replace mitmproxy's signal handlers, which are set by now, but not the console's, which asks its user."""
        if hasattr(ctx.master, "prompt_for_exit"):
            return
        with suppress(RuntimeError, ValueError):  # a master that runs in another thread gets no signals
            on_termination(self.stop)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Refuse a request of ours that arrives while mitmproxy is shutting down."""
        if get_call(flow) is None or flow.response:
            return
        if self._refusing:
            forget_call(flow)
            message = "the proxy is shutting down. Fix: send the request again once it is running"
            error = ApiError(503, message, code="proxy_stopped")
            self.refusals.note(flow, error)
            flow.response = responses.error_response(error)
            flow.response.headers["connection"] = "close"
        else:
            self._flows.add(flow)
            self._clients.add(flow.client_conn)

    def before_end(self, tell: Callable[[], bool]) -> None:
        """Register a function that is called once new calls are refused; it returns whether it has informed clients."""
        self._before_end.append(tell)

    @property
    def draining(self) -> bool:
        """Whether mitmproxy is shutting down."""
        return self._draining

    @property
    def refusing(self) -> bool:
        """Whether new calls are refused because of that."""
        return self._refusing

    def readiness_asked(self) -> None:
        """Note that somebody, such as a load balancer, has asked for the readiness."""
        self._asked_at = time.monotonic()

    def live_calls(self) -> list[http.HTTPFlow]:
        """Return the flows of the calls in progress."""
        return [flow for flow in self._flows if flow.live]

    def stop(self) -> None:
        """End mitmproxy once all calls have ended; if called again, cut them off; a third time, end at once."""
        loop = asyncio.get_running_loop()
        if self._draining:
            if self._cut:
                ctx.master.shutdown()
            self._deadline = 0.0
            self._refuse(loop)
            return
        self._draining = True
        timeout = self.config.settings.drain_timeout
        _timeouts.append(timeout)
        if timeout and (under_way := len(self.live_calls())):
            logger.warning(
                "stopping: %s in progress may take %s more seconds (codex_drain_timeout); Ctrl-C again cuts them off",
                "one call" if under_way == 1 else f"{under_way} calls",
                timeout,
            )
        self._deadline = loop.time() + timeout
        watched = time.monotonic() - self._asked_at < _WATCHED
        if watched and (grace := min(_GRACE, timeout)):
            logger.warning("stopping: calls are served for %g more seconds, until the load balancer has noticed", grace)
            loop.call_later(grace, self._refuse, loop)
        else:
            self._refuse(loop)

    def _refuse(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse calls from now on, and end when there are none."""
        if self._refusing:
            return
        self._refusing = True
        told = [tell() for tell in self._before_end]
        if any(told):
            loop.call_later(_POLL_INTERVAL, self._wait, loop)
        else:
            self._wait(loop)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until no call is left and every client has received its answer, or the time is up."""
        if not self.live_calls() and not any(map(transports.has_unsent, self._clients)):
            ctx.master.shutdown()
        elif loop.time() < self._deadline:
            loop.call_later(_POLL_INTERVAL, self._wait, loop)
        else:
            self._cut = True
            self._deadline = loop.time() + _CLOSE_TIMEOUT
            self._close(loop)

    def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Wait until the clients of the calls that were cut off have been informed."""
        if self.live_calls() and loop.time() < self._deadline:
            # Repeated, because a call that was connecting may have got further.
            self.limits.stop_all(STOPPED)
            IdleTimeoutMixin.stop_all(STOPPED)
            loop.call_later(_POLL_INTERVAL, self._close, loop)
        else:
            ctx.master.shutdown()


# The value of the setting when the shutdown began.
_timeouts: list[int] = []


def longest_end() -> float:
    """Return the most seconds from a signal to mitmproxy's end, without the time to close its connections."""
    return max(_timeouts, default=0) + _CLOSE_TIMEOUT
