"""What is put aside is done in a quiet moment, in order, one batch at a time, and before the end."""

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

import pytest

from codex_transform.proxy.idle_batcher import IdleBatcher


class Work:
    """Notes what it is given, and in which thread; may be held up, or fail."""

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.shown: list[Any] = []
        self.threads: set[threading.Thread] = set()
        self.held = threading.Event()
        self.held.set()
        self.changed = asyncio.Event()
        self.aside: IdleBatcher[Any, Any] = IdleBatcher(self._work, self._then)

    def _work(self, items: list[Any]) -> list[Any]:
        self.threads.add(threading.current_thread())
        self.batches.append(items)
        assert self.held.wait(30)
        if "bad" in items:
            raise ValueError("bad")
        return items

    def _then(self, batch: Future[Any]) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.shown.append(batch.exception() or batch.result())
        self.changed.set()

    async def until(self, count: int) -> None:
        """So many batches have been shown."""
        async with asyncio.timeout(30):
            while len(self.shown) < count:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def work() -> Work:
    return Work()


async def test_what_comes_together_is_done_together(work: Work) -> None:
    for number in range(5):
        work.aside.touch()
        work.aside.submit(number)
    assert len(work.aside) == 5
    await work.until(1)
    assert work.shown == [[0, 1, 2, 3, 4]]
    assert threading.main_thread() not in work.threads


async def test_it_waits_for_a_quiet_moment_but_not_for_ever(work: Work) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    work.aside.touch()
    work.aside.submit("early")
    async with asyncio.timeout(30):
        while not work.batches:
            work.aside.touch()
            await asyncio.sleep(0)
    assert loop.time() - begun > 0.9


async def test_what_comes_while_a_batch_is_done_is_the_next(work: Work) -> None:
    work.held.clear()
    work.aside.submit("a", flush=True)
    for name in "bc":
        work.aside.submit(name, flush=True)
    assert len(work.aside) == 2
    work.held.set()
    await work.until(2)
    assert work.shown == [["a"], ["b", "c"]]


async def test_a_fault_is_told_and_the_next_batch_goes_on(work: Work) -> None:
    work.aside.submit("bad", flush=True)
    await work.until(1)
    work.aside.submit("good", flush=True)
    await work.until(2)
    assert isinstance(work.shown[0], ValueError)
    assert work.shown[1] == ["good"]


async def test_at_the_end_all_of_it_is_done_once(work: Work) -> None:
    work.held.clear()
    work.aside.submit("a", flush=True)
    work.aside.touch()
    work.aside.submit("b")
    threading.Timer(0.05, work.held.set).start()
    work.aside.close(10)
    assert work.shown == [["a"], ["b"]]
    await asyncio.sleep(0.2)
    assert work.shown == [["a"], ["b"]]


async def test_the_end_does_not_wait_for_what_hangs(work: Work) -> None:
    work.held.clear()
    work.aside.submit("a", flush=True)
    work.aside.close(0.01)
    assert work.shown == []
    work.held.set()
