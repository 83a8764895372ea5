"""Signals for a running event loop, on every system."""

import asyncio
import signal
from collections.abc import Callable


def on_termination(callback: Callable[[], object]) -> None:
    """Have the running event loop call `callback` on every SIGINT and SIGTERM, even if a shell set them to be ignored.

    Raises RuntimeError or ValueError outside the main thread, the only one that receives signals.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, callback)
        except NotImplementedError:  # on Windows, where the loop wakes up for any handler
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(callback))
