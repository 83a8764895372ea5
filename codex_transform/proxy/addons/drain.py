"""Addon: drains calls when the program ends.

Calls under way may finish for as long as `codex_drain_timeout` says; new ones are refused, and clients whose calls are
cut off then are told so. mitmproxy by itself closes all connections at SIGTERM and Ctrl-C: a client would take half an
answer for a lost network, and the call would leave no record. A second signal cuts calls off at once.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import ClassVar
from weakref import WeakSet

from mitmproxy import ctx, http

from codex_transform.errors import ApiError
from codex_transform.proxy import responses
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.connect_timeout import ConnectTimeout
from codex_transform.proxy.call import forget_call, get_call
from codex_transform.proxy.layers.idle_timeout import IdleTimeoutMixin
from codex_transform.proxy.refusals import Refusals
from codex_transform.response.network_error import STOPPED
from codex_transform.signals import on_termination

logger = logging.getLogger(__name__)

# How often to look whether the last call is over, and how long calls that are cut off may take to tell their clients.
_POLL_INTERVAL = 0.02
_CLOSE_TIMEOUT = 2.0


class Drain:
    """Ends mitmproxy when its calls have ended."""

    # Those of before a reload of the script are to be waited for too.
    _flows: ClassVar[WeakSet[http.HTTPFlow]] = WeakSet()

    def __init__(self, config: Config, limits: ConnectTimeout, refusals: Refusals) -> None:
        self.config = config
        self.refusals = refusals
        self.limits = limits
        self._draining = False
        self._cut = False
        self._deadline = 0.0
        self._before_end: list[Callable[[], bool]] = []

    def running(self) -> None:
        """mitmproxy is up, and has set handlers of its own. The console asks its user before it ends: that stays."""
        if hasattr(ctx.master, "prompt_for_exit"):
            return
        with suppress(RuntimeError, ValueError):  # a master that runs in another thread gets no signals
            on_termination(self.stop)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Refuse a request of ours that comes while mitmproxy is about to end."""
        if get_call(flow) is None or flow.response:
            return
        if self._draining:
            forget_call(flow)
            message = "the proxy is being stopped. Fix: send the request again once it runs"
            error = ApiError(503, message, code="proxy_stopped")
            self.refusals.note(flow, error)
            flow.response = responses.error_response(error)
            flow.response.headers["connection"] = "close"
        else:
            self._flows.add(flow)

    def before_end(self, tell: Callable[[], bool]) -> None:
        """Have a function called when mitmproxy is about to end; it returns whether it has told clients of that."""
        self._before_end.append(tell)

    @property
    def draining(self) -> bool:
        """Whether mitmproxy is about to end."""
        return self._draining

    def live_calls(self) -> list[http.HTTPFlow]:
        """Return the flows of calls that are under way."""
        return [flow for flow in self._flows if flow.live]

    def stop(self) -> None:
        """End mitmproxy once all calls have ended; called again, cut them off now, and then wait for nothing."""
        loop = asyncio.get_running_loop()
        if self._draining:
            if self._cut:
                ctx.master.shutdown()
            self._deadline = 0.0
            return
        self._draining = True
        timeout = self.config.settings.drain_timeout
        _timeouts.append(timeout)
        if timeout and (under_way := len(self.live_calls())):
            logger.warning(
                "stopping: %s under way may take %s more seconds (codex_drain_timeout); a second Ctrl-C cuts them off",
                "one call" if under_way == 1 else f"{under_way} calls",
                timeout,
            )
        self._deadline = loop.time() + timeout
        told = [tell() for tell in self._before_end]
        if any(told):
            loop.call_later(_POLL_INTERVAL, self._wait, loop)
        else:
            self._wait(loop)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again until no call is left or time is up."""
        if not self.live_calls():
            ctx.master.shutdown()
        elif loop.time() < self._deadline:
            loop.call_later(_POLL_INTERVAL, self._wait, loop)
        else:
            self._cut = True
            self._deadline = loop.time() + _CLOSE_TIMEOUT
            self._close(loop)

    def _close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again until the calls that were cut off have told their clients."""
        if self.live_calls() and loop.time() < self._deadline:
            # Each time again: one that was connecting may have come further.
            self.limits.stop_all(STOPPED)
            IdleTimeoutMixin.stop_all(STOPPED)
            loop.call_later(_POLL_INTERVAL, self._close, loop)
        else:
            ctx.master.shutdown()


# What the setting was when the end began.
_timeouts: list[int] = []


def longest_end() -> float:
    """How many seconds mitmproxy may take from a signal to its end, that of its connections not counted."""
    return max(_timeouts, default=0) + _CLOSE_TIMEOUT
