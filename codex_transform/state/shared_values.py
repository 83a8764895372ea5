"""Values that several processes share: read before a call in one round trip, and written in the background.

Strategy: this process keeps a copy of the values that it has seen, and reads that without waiting. One thread talks to
the backend (`backend.py`). It takes all waiting jobs as one batch: it reads their values, applies the changes in order,
and swaps the results in. If another process has changed a value meanwhile, its changes are applied again to the
new value. While the backend cannot be reached, changes are kept in a backlog and applied later.
"""

import asyncio
import logging
import queue
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import Any

from codex_transform.jsonio import dumps, loads
from codex_transform.state.backend import RETRY_AFTER, GuardedBackend, Swap
from codex_transform.values import Change, Unavailable, Values

logger = logging.getLogger(__name__)

MAX_BACKLOG = 10_000
"""Changes that are kept while the backend cannot be reached; the oldest are dropped first."""

_MAX_BATCH = 1000
_MAX_ROUNDS = 100
"""How often changes are applied again if other processes keep changing the same values."""

_CLOSE_TIMEOUT = 5.0


class SharedValues(Values):
    """Values that belong to this process only, until `use` sets a backend."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        super().__init__(now=now)
        self._exchange: _Exchange | None = None
        # Keys with pending changes: the copy is newer than what is read meanwhile.
        self._changing: Counter[str] = Counter()

    @property
    def are_shared(self) -> bool:
        """Whether there is a backend."""
        return self._exchange is not None

    def use(self, backend: GuardedBackend | None) -> None:
        """Share the values through a backend from now on; None to stop. Must be called in an event loop."""
        if self._exchange:
            self._exchange.stop()
        self._changing.clear()
        self._exchange = _Exchange(backend, asyncio.get_running_loop()) if backend else None

    def close(self) -> None:
        """Wait until pending changes have been written."""
        if self._exchange:
            self._exchange.stop()
            self._exchange.join()

    def update(self, key: str, change: Change, ttl: float) -> None:
        """Change a value here at once, and soon for all processes. Raises what `change` raises."""
        super().update(key, change, ttl)
        if self._exchange:
            self._changing[key] += 1
            job = _Job({key: ttl}, change, self._learn_changed, keep=True)
            self._exchange.submit(job)

    async def commit(self, key: str, change: Change, ttl: float) -> None:
        """Change a value atomically for all processes. Raises Unavailable, and what `change` raises."""
        if self._exchange is None:
            super().update(key, change, ttl)
        else:
            await self._ask(self._exchange, {key: ttl}, change)

    async def refresh(self, keys: Mapping[str, float]) -> None:
        """Read shared values. If that fails, the known values stay."""
        if self._exchange and keys:
            with suppress(Unavailable):
                await self._ask(self._exchange, keys, None)

    async def _ask(self, exchange: "_Exchange", keys: Mapping[str, float], change: Change | None) -> None:
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def finish(job: _Job) -> None:
            if answered.cancelled():
                return
            if job.error:
                answered.set_exception(job.error)
                return
            for key, ttl in job.keys.items():
                if not self._changing[key]:
                    self._put(key, job.values.get(key), ttl)
            answered.set_result(None)

        exchange.submit(_Job(keys, change, finish))
        await answered

    def _learn_changed(self, job: "_Job") -> None:
        """Copy the result of a change, unless another change is pending."""
        for key, ttl in job.keys.items():
            self._changing[key] -= 1
            if self._changing[key] <= 0:
                del self._changing[key]
                if job.error is None:
                    self._put(key, job.values.get(key), ttl)


@dataclass(slots=True, eq=False)
class _Job:
    """Keys to read, or one key to change; `finish` is called in the event loop with the `values`, or an `error`.

    With `keep` it is retried later if the backend cannot be reached.
    """

    keys: Mapping[str, float]
    change: Change | None
    finish: "Callable[[_Job], None]"
    keep: bool = False
    values: Mapping[str, Any] = ...  # type: ignore[assignment]
    error: Exception | None = None


class _Exchange:
    """The thread that talks to a backend."""

    def __init__(self, backend: GuardedBackend, loop: asyncio.AbstractEventLoop) -> None:
        self._backend, self._loop = backend, loop
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._backlog: deque[_Job] = deque()
        self._thread = Thread(target=self._run, name="codex-shared-values", daemon=True)
        self._thread.start()

    def submit(self, job: _Job) -> None:
        """Queue a job."""
        self._jobs.put(job)

    def stop(self) -> None:
        """End once all jobs are done."""
        self._jobs.put(None)

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join(_CLOSE_TIMEOUT)

    def _run(self) -> None:
        # An empty batch first: it checks whether the backend can be reached.
        batch: list[_Job] | None = []
        while batch is not None:
            if finished := self._serve(batch):
                with suppress(RuntimeError):  # the event loop has ended
                    self._loop.call_soon_threadsafe(_finish, finished)
            batch = self._next_batch()

    def _next_batch(self) -> list[_Job] | None:
        """Wait for jobs and return them; an empty batch when it is time to retry, None at the end."""
        batch: list[_Job] = []
        try:
            job = self._jobs.get(timeout=None if self._backend.is_up else RETRY_AFTER)
            while job is not None:
                batch.append(job)
                if len(batch) >= _MAX_BATCH:
                    return batch
                job = self._jobs.get_nowait()
        except queue.Empty:
            return batch
        if not batch:
            return None
        self._jobs.put(None)
        return batch

    def _serve(self, batch: list[_Job]) -> list[_Job]:
        """Do jobs, and return those that have finished."""
        jobs = [*self._backlog, *batch]
        try:
            if not jobs:
                self._backend.check()
            self._do(jobs)
        except Exception as error:
            if not isinstance(error, Unavailable):
                logger.exception("sharing what is known failed")
            for job in batch:
                job.error = error if isinstance(error, Unavailable) else Unavailable(str(error))
            self._backlog.extend(job for job in batch if job.keep)
            forgotten = [self._backlog.popleft() for _ in range(len(self._backlog) - MAX_BACKLOG)]
            # Jobs in the backlog have not finished: the copy stays newer than the backend.
            return [*(job for job in batch if not job.keep), *forgotten]
        self._backlog.clear()
        return jobs

    def _do(self, jobs: list[_Job]) -> None:
        """Do jobs. Raises Unavailable."""
        left = jobs
        for _ in range(_MAX_ROUNDS):
            if not left:
                return
            left = self._try(left)
        raise Unavailable("other proxies keep changing the same values")

    def _try(self, jobs: list[_Job]) -> list[_Job]:
        """Do jobs, and return those whose changes must be applied again. Raises Unavailable."""
        before = self._backend.read({key: ttl for job in jobs for key, ttl in job.keys.items()})
        values = {key: _decode(value) for key, value in before.items()}
        ttls: dict[str, float] = {}
        for job in jobs:
            job.error = None
            if job.change is not None:
                ((key, ttl),) = job.keys.items()
                try:
                    values[key] = job.change(values.get(key))
                    ttls[key] = max(ttl, ttls.get(key, 0.0))
                except Exception as error:
                    job.error = error
            job.values = values
        swaps = [Swap(key, before.get(key), _encode(values[key]), ttl) for key, ttl in ttls.items()]
        swaps = [each for each in swaps if each.before != each.after]
        won = self._backend.swap(swaps) if swaps else []
        lost = {swap.key for swap, each in zip(swaps, won, strict=True) if not each}
        return [job for job in jobs if any(key in lost for key in job.keys)]


def _finish(jobs: list[_Job]) -> None:
    for job in jobs:
        job.finish(job)


def _encode(value: Any) -> bytes | None:
    return None if value is None else dumps(value)


def _decode(value: bytes) -> Any:
    """Return a value; None for bytes that are not JSON."""
    try:
        return loads(value)
    except ValueError:
        return None
