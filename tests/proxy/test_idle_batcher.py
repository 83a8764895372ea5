"""Submitted items are processed when the proxy is idle, in order, one batch at a time, and before it ends."""

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from codex_transform.proxy.idle_batcher import IdleBatcher


class Work:
    """Records the batches and their threads; may be paused, or fail."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.done: list[Any] = []
        self.threads: set[threading.Thread] = set()
        self.running = threading.Event()
        self.running.set()
        self.changed = asyncio.Event()
        self.batcher: IdleBatcher[Any, Any] = IdleBatcher(self._work, self._then)

    def _work(self, items: list[Any]) -> list[Any]:
        self.threads.add(threading.current_thread())
        self.batches.append(items)
        assert self.running.wait(30)
        if "bad" in items:
            raise ValueError("bad")
        return items

    def _then(self, batch: Future[Any]) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.done.append(batch.exception() or batch.result())
        self.changed.set()

    async def until(self, count: int) -> None:
        """Waits until this number of batches is done."""
        async with asyncio.timeout(30):
            while len(self.done) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def work() -> Work:
    return Work()


async def test_items_submitted_together_are_one_batch(work: Work) -> None:
    for number in range(5):
        work.batcher.touch()
        work.batcher.submit(number)
    assert len(work.batcher) == 5
    await work.until(1)
    assert work.done == [[0, 1, 2, 3, 4]]
    assert threading.main_thread() not in work.threads


async def test_a_batch_waits_for_an_idle_moment_but_not_for_ever(work: Work) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    work.batcher.touch()
    work.batcher.submit("early")
    async with asyncio.timeout(30):
        while not work.batches:
            work.batcher.touch()
            await asyncio.sleep(0)
    assert loop.time() - began > 0.9


async def test_items_submitted_during_a_batch_are_the_next_one(work: Work) -> None:
    work.running.clear()
    work.batcher.submit("a", flush=True)
    for name in "bc":
        work.batcher.submit(name, flush=True)
    assert len(work.batcher) == 2
    work.running.set()
    await work.until(2)
    assert work.done == [["a"], ["b", "c"]]


async def test_an_exception_is_reported_and_the_next_batch_runs(work: Work) -> None:
    work.batcher.submit("bad", flush=True)
    await work.until(1)
    work.batcher.submit("good", flush=True)
    await work.until(2)
    assert isinstance(work.done[0], ValueError)
    assert work.done[1] == ["good"]


async def test_closing_processes_all_items_once(work: Work) -> None:
    work.running.clear()
    work.batcher.submit("a", flush=True)
    work.batcher.touch()
    work.batcher.submit("b")
    threading.Timer(0.05, work.running.set).start()
    work.batcher.close(10)
    assert work.done == [["a"], ["b"]]
    for thread in work.threads:
        thread.join(30)
    await asyncio.sleep(0)  # runs what the threads have left to the event loop
    assert work.done == [["a"], ["b"]]


async def test_closing_does_not_wait_for_a_batch_that_hangs(work: Work) -> None:
    work.running.clear()
    work.batcher.submit("a", flush=True)
    work.batcher.close(0.01)
    assert work.done == []
    work.running.set()
