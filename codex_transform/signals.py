"""Signals for a running event loop, on every system."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress


def on_termination(callback: Callable[[], object]) -> None:
    """Have the running event loop call `callback` on every SIGINT and SIGTERM, even if a shell set them to be ignored.

    Takes the place of handlers that were there. Not by `loop.add_signal_handler`: that passes signals through the
    socket by which threads wake the loop, and where some hundred wakeups wait there (mitmproxy makes one for every line
    of its log) the system has no room for one more, and the signal is lost.

    Raises RuntimeError or ValueError outside the main thread, the only one that receives signals.
    """
    loop = asyncio.get_running_loop()

    def handle(*_: object) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(callback)

    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):  # on Windows there are none of the loop's own
            loop.remove_signal_handler(number)
        signal.signal(number, handle)
