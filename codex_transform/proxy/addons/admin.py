"""Addon: a separate listener for monitoring: whether the proxy is alive, whether it is ready, and its metrics.

It is off unless `codex_admin_listen` names an address, and follows changes of that setting. If it cannot listen, or a
package is missing, there is a warning and the proxy goes on: calls matter more than metrics, and several proxies may
share a settings file.
"""

import asyncio
import logging
from typing import TYPE_CHECKING

from mitmproxy import http

from codex_transform import requirements
from codex_transform.concurrency import run_in_thread
from codex_transform.endpoint.hosts import is_loopback
from codex_transform.endpoint.url import Endpoint
from codex_transform.people.limiter import is_limited
from codex_transform.proxy import readiness
from codex_transform.proxy.addons.call_recorder import CallRecorder
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.drain import Drain
from codex_transform.proxy.addons.shared_state import SharedState
from codex_transform.proxy.admin_listener import AdminListener, Page, json_page
from codex_transform.proxy.call import get_call
from codex_transform.proxy.endpoint_health import EndpointHealth
from codex_transform.proxy.refusals import Refusals
from codex_transform.usage.record import Record
from codex_transform.usage.refusals import Reason

if TYPE_CHECKING:
    from codex_transform.usage.metrics import CallMetrics

logger = logging.getLogger(__name__)


class Admin:
    """Serves `/healthz`, `/readyz` and `/metrics`."""

    def __init__(
        self, config: Config, drain: Drain, recorder: CallRecorder, refusals: Refusals, state: SharedState
    ) -> None:
        self.config = config
        self.drain = drain
        self.state = state
        self._health = EndpointHealth()
        self._metrics: CallMetrics | None = None
        self._running = False
        self._address: str | None = None
        self._listener: AdminListener | None = None
        self._starting: set[asyncio.Task[None]] = set()
        recorder.subscribe(self._on_call)
        refusals.subscribe(self._on_refusal)

    def running(self) -> None:
        """Start to listen, now that mitmproxy is running."""
        self._running = True
        self._follow()

    def configure(self, _updated: set[str]) -> None:
        """Apply a change of the setting."""
        if self._running:
            self._follow()

    def requestheaders(self, _flow: http.HTTPFlow) -> None:
        """Apply a change of the settings file, which has just been checked."""
        self._follow()

    def done(self) -> None:
        """Close the listener when mitmproxy ends or reloads the script."""
        self._stop()
        self._running = False

    def _follow(self) -> None:
        """Listen at the address in the setting, and nowhere else."""
        address = self.config.settings.admin_listen
        if address == self._address:
            return
        self._stop()
        self._address = address
        if address is None:
            return
        try:
            # Imported only now, because a mitmproxy that was installed separately may lack its dependencies.
            from codex_transform.usage.metrics import CallMetrics
        except ImportError as error:
            fix = requirements.install_fix("prometheus-client>=0.20")
            logger.warning("codex_admin_listen: there is no admin listener (%s). Fix: %s", error, fix)
            return
        self._metrics = self._metrics or CallMetrics()
        host, _, port = address.rpartition(":")
        pages = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics_page}
        self._listener = AdminListener(host.strip("[]"), int(port), pages)
        starting = asyncio.get_running_loop().create_task(self._start(self._listener, host.strip("[]"), address))
        self._starting.add(starting)  # nothing else refers to it
        starting.add_done_callback(self._starting.discard)

    def _stop(self) -> None:
        if self._listener:
            self._listener.close()
            self._listener = None
        self._address = None

    async def _start(self, listener: AdminListener, host: str, address: str) -> None:
        try:
            where = await listener.start()
        except OSError as error:
            # Not an error, which would end mitmproxy if it is still starting.
            reason = error.strerror or error
            logger.warning(
                "codex_admin_listen: there is no admin listener, because %s cannot be used (%s); calls are served all "
                "the same. Fix: name another address, or port 0 for any free one",
                address,
                reason,
            )
            return
        if where is None:
            return
        logger.info("admin listener at http://%s: /healthz, /readyz, /metrics", where)
        if not is_loopback(host):
            logger.warning(
                "codex_admin_listen: everybody who can reach %s can read the proxy's state and metrics", where
            )

    def _on_call(self, record: Record, endpoint: Endpoint | None) -> None:
        if endpoint:
            self._health.observe(record, self.config.endpoints)
        if self._metrics:
            self._metrics.observe(record, endpoint.authority if endpoint else None)

    def _on_refusal(self, reason: Reason) -> None:
        if self._metrics:
            self._metrics.refused(reason)

    def _reasons(self) -> list[readiness.Reason]:
        self.config.refresh()
        limited = any(map(is_limited, self.config.people.people))
        found = readiness.reasons(
            self.config.settings,
            self.config.problems,
            draining=self.drain.draining,
            down=self._health.is_down(self.config.endpoints),
            uncounted=limited and self.state.is_down,
        )
        return list(found)

    async def _healthz(self) -> Page:
        return json_page(200, {"alive": True})

    async def _readyz(self) -> Page:
        self.drain.readiness_asked()
        reasons = self._reasons()
        return json_page(
            503 if reasons else 200, {"ready": not reasons, "reasons": [reason._asdict() for reason in reasons]}
        )

    async def _metrics_page(self) -> Page:
        from codex_transform.usage.metrics import CONTENT_TYPE

        assert self._metrics is not None
        calls = [get_call(flow) for flow in self.drain.live_calls()]
        self._metrics.set_state(
            streams=sum(call is not None and call.streaming for call in calls),
            calls=len(calls),
            draining=self.drain.draining,
            ready=not self._reasons(),
        )
        return Page(200, CONTENT_TYPE, await asyncio.wrap_future(run_in_thread(self._metrics.render)))
