"""Work that nobody waits for, done in a thread, in batches, when the event loop is idle.

Python runs one thread at a time: a request that is under way waits, by milliseconds, for whatever another thread does.
So work is put off until the event loop has been idle for a moment, at most for two seconds. One batch is done at a
time; should it hang, the program can end all the same.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from codex_transform.concurrency import run_in_thread

T = TypeVar("T")
R = TypeVar("R")

# How long the event loop must have been idle, and how long work waits at most, in seconds.
_QUIET_PERIOD = 0.25
_MAX_DELAY = 2.0


class IdleBatcher(Generic[T, R]):
    """Passes items to `work`, in a thread, and its result to `then`, in mitmproxy's event loop.

    `then` gets the Future, which has what `work` raised. All methods are for the event loop.
    """

    def __init__(self, work: Callable[[list[T]], R], then: Callable[[Future[R]], None]) -> None:
        self._work = work
        self._then = then
        self._items: list[T] = []
        self._batch: Future[R] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_activity = 0.0
        self._deadline = 0.0

    def __len__(self) -> int:
        """How many items wait, without those of a batch that has begun."""
        return len(self._items)

    def touch(self) -> None:
        """Note activity: batches wait for a quiet period."""
        self._last_activity = asyncio.get_running_loop().time()

    def submit(self, item: T, *, flush: bool = False) -> None:
        """Add an item; `flush` starts a batch as soon as the one before it is done."""
        loop = asyncio.get_running_loop()
        if not self._items:
            self._deadline = loop.time() + _MAX_DELAY
        self._items.append(item)
        if flush:
            self._deadline = 0.0
            if self._timer:
                self._timer.cancel()
                self._timer = None
        if self._timer is None and self._batch is None:
            self._poll(loop)

    def close(self, timeout: float) -> None:
        """Do all of it now, and wait for that at most `timeout` seconds."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        while self._batch or self._items:
            batch = self._batch or self._begin()
            if not wait([batch], timeout).done:
                return
            self._finish(batch)

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a batch if it is time; otherwise look again later."""
        self._timer = None
        due = min(self._last_activity + _QUIET_PERIOD, self._deadline)
        if due > loop.time():
            self._timer = loop.call_at(due, self._poll, loop)
        else:
            self._begin().add_done_callback(partial(self._on_done, loop))

    def _begin(self) -> Future[R]:
        items, self._items = self._items, []
        self._batch = run_in_thread(partial(self._work, items))
        return self._batch

    def _on_done(self, loop: asyncio.AbstractEventLoop, batch: Future[R]) -> None:
        """Hand a batch that is done to the event loop. Runs in the batch's thread."""
        with suppress(RuntimeError):  # mitmproxy has ended
            loop.call_soon_threadsafe(self._finish, batch, loop)

    def _finish(self, batch: Future[R], loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Hand a batch that is done to `then`, and go on with what waits."""
        if batch is not self._batch:
            return  # `close` has seen it already
        self._batch = None
        try:
            self._then(batch)
        finally:
            if self._items and loop:
                self._poll(loop)
