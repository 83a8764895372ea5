"""Callbacks at Ctrl-C and SIGTERM."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from codex_transform.signals import on_termination


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restores the signal handlers."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_callback_is_called_for_each_signal(number: signal.Signals) -> None:
    called = asyncio.Event()
    on_termination(called.set)
    for _ in range(2):
        signal.raise_signal(number)
        async with asyncio.timeout(30):
            await called.wait()
        called.clear()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals from other processes")
async def test_the_callback_replaces_handlers_of_the_event_loop() -> None:
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    others: list[str] = []
    loop.add_signal_handler(signal.SIGTERM, others.append, "other")
    on_termination(called.set)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(30):
        await called.wait()
    await asyncio.sleep(0)
    assert others == []


async def test_a_signal_is_not_lost_among_many_wakeups() -> None:
    """mitmproxy causes a wakeup for every line of its log."""
    loop, called = asyncio.get_running_loop(), asyncio.Event()
    on_termination(called.set)
    for _ in range(10_000):
        loop.call_soon_threadsafe(int)
    signal.raise_signal(signal.SIGTERM)
    async with asyncio.timeout(30):
        await called.wait()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals from other processes")
async def test_a_signal_just_before_is_not_lost() -> None:
    """The event loop has received the signal, but has not called its handler yet."""
    loop, calls = asyncio.get_running_loop(), asyncio.Queue[int]()
    others: list[str] = []
    loop.add_signal_handler(signal.SIGTERM, others.append, "other")
    os.kill(os.getpid(), signal.SIGTERM)
    on_termination(lambda: calls.put_nowait(1))
    async with asyncio.timeout(30):
        await calls.get()
    signal.raise_signal(signal.SIGTERM)
    async with asyncio.timeout(30):
        await calls.get()
    for _ in range(5):
        await asyncio.sleep(0)
    assert calls.empty()
    assert others == []
