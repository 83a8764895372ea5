"""Addon: opens the storage that `codex_state` names, and follows changes of the setting.

Responses and conversations are in the store (`state/store.py`); the small values that outlast a call are in
`config.values`. Both use the same backend.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from codex_transform import paths
from codex_transform.concurrency import SerialThread, run_in_thread
from codex_transform.errors import ApiError
from codex_transform.proxy.addons.config import Config
from codex_transform.settings.state_url import StateUrl
from codex_transform.state.backend import Backend, GuardedBackend
from codex_transform.state.redis_backend import RedisBackend
from codex_transform.state.responses import PREVIOUS_NOT_FOUND
from codex_transform.state.shared_store import SharedStore
from codex_transform.state.sqlite_backend import SqliteBackend
from codex_transform.state.store import MemoryStore, Store
from codex_transform.values import Unavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

_THREADS = 4
"""Threads that use a shared store; all work for one owner is done by the same thread, in order."""

_CLOSE_TIMEOUT = 5.0

_WAITS = (0.05, 0.1, 0.25)
"""Seconds to wait before looking again for something that is not found: another proxy may be about to write it."""


class SharedState:
    """Provides the store, and does work with it."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._setting: str | StateUrl = ""
        self._running = False
        self._memory = MemoryStore()
        self._backend: GuardedBackend | None = None
        self._shared: SharedStore | None = None
        self._threads: list[SerialThread] = []

    def running(self) -> None:
        """Open the storage: mitmproxy is up."""
        self._running = True
        self._follow()

    def configure(self, _updated: set[str]) -> None:
        """Follow a change of the setting."""
        if self._running:
            self._follow()

    def requestheaders(self, _flow: object) -> None:
        """Follow a change of the settings file, which has just been looked at."""
        self._follow()

    def done(self) -> None:
        """Write what is pending: mitmproxy ends, or reloads the script."""
        self._running = False
        for thread in self._threads:
            thread.close(_CLOSE_TIMEOUT)
        self.config.values.close()
        if self._shared:
            self._shared.close()
        if self._backend:
            self._backend.close()

    @property
    def store(self) -> Store | None:
        """The store, to be used in `run` and `submit` only; None if storing is off."""
        if self.config.settings.state == "off":
            return None
        return self._shared or self._memory

    @property
    def is_down(self) -> bool:
        """Whether the backend cannot be reached."""
        return self._backend is not None and not self._backend.is_up

    async def run(self, owner: str, work: Callable[[], T]) -> T:
        """Do work with the store for an owner, and return its result. Raises what `work` raises.

        If something is not found, the work is repeated a little later; while the backend is down, the error is a 503.
        """
        if self._shared is None:
            return work()
        for wait in (*_WAITS, None):
            try:
                return await asyncio.wrap_future(self._thread(owner).submit(work))
            except ApiError as error:
                if error.status != 404 and error.code != PREVIOUS_NOT_FOUND:
                    raise
                if self.is_down:
                    raise _out_of_reach() from None
                if wait is None:
                    raise
                await asyncio.sleep(wait)
        raise AssertionError

    def submit(self, owner: str, work: Callable[[], object]) -> None:
        """Queue work with the store for an owner."""
        if self._shared is None:
            _log_errors(work)
        else:
            self._thread(owner).submit(lambda: _log_errors(work))

    def _thread(self, owner: str) -> SerialThread:
        if not self._threads:
            self._threads = [SerialThread("codex-state") for _ in range(_THREADS)]
        return self._threads[hash(owner) % _THREADS]

    def _follow(self) -> None:
        setting = self.config.settings.state
        if setting == self._setting or not self._running:
            return
        self._setting = setting
        before, self._backend = self._backend, self._open(setting)
        self._shared = SharedStore(self._backend) if self._backend else None
        self.config.values.use(self._backend)
        if before:
            run_in_thread(before.close)

    def _open(self, setting: str | StateUrl) -> GuardedBackend | None:
        backend: Backend
        if isinstance(setting, StateUrl):
            backend = RedisBackend(setting)
        elif setting == "disk":
            backend = SqliteBackend(paths.state_database(self.config.home))
        else:
            return None
        loop = asyncio.get_running_loop()
        where = str(setting) if isinstance(setting, StateUrl) else str(paths.state_database(self.config.home))

        def tell(error: Unavailable | None) -> None:
            # mitmproxy's log handlers belong to its event loop.
            with suppress(RuntimeError):  # mitmproxy has ended
                loop.call_soon_threadsafe(self._tell, where, error)

        return GuardedBackend(backend, tell)

    def _tell(self, where: str, error: Unavailable | None) -> None:
        if error is None:
            logger.warning("codex_state: %s can be used again; changes made meanwhile are written now", where)
            return
        closed = self.config.settings.limits_fail == "closed"
        logger.warning(
            "codex_state: %s cannot be used (%s): calls go on with what this proxy knows, and %s. Fix: %s",
            where,
            error,
            "people with limits are refused (codex_limits_fail is closed)"
            if closed
            else "it counts people's limits by itself (codex_limits_fail is open)",
            error.fix,
        )


def _out_of_reach() -> ApiError:
    return ApiError(
        503,
        "stored responses cannot be reached now, so what the request refers to was not found. Fix: try again; the log "
        "of the proxy says why",
        code="state_unavailable",
        retry_after=10,
    )


def _log_errors(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception:
        logger.exception("storing failed")
