"""Signals for a running event loop, on every system."""

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress


def on_termination(callback: Callable[[], object]) -> None:
    """Have the running event loop call `callback` on every SIGINT and SIGTERM, even if a shell set them to be ignored.

    Takes the place of handlers that were there. `loop.add_signal_handler` is not enough: it passes signals through the
    socket by which threads wake the loop, and where some hundred wakeups wait there (mitmproxy makes one for every line
    of its log) the system has no room for one more, and the signal is lost.

    Raises RuntimeError or ValueError outside the main thread, the only one that receives signals.
    """
    loop = asyncio.get_running_loop()
    handled = 0

    def handle(*_: object) -> None:
        nonlocal handled
        handled += 1
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(callback)

    def on_wakeup() -> None:
        """Take a signal that came through the socket: if `handle` has not had it, it was sent a moment before."""
        nonlocal handled
        if handled:
            handled -= 1
        else:
            callback()

    for number in (signal.SIGINT, signal.SIGTERM):
        if sys.platform != "win32":  # there the loop has no such method, and wakes up for any handler
            loop.add_signal_handler(number, on_wakeup)
        signal.signal(number, handle)
    # A socket without room is no reason for a traceback on the console any more.
    if (socket := signal.set_wakeup_fd(-1)) != -1:
        signal.set_wakeup_fd(socket, warn_on_full_buffer=False)
