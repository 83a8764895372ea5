"""Waiting for conditions, with a timeout."""

import threading
import time
from collections.abc import Callable


def eventually(met: Callable[[], object], seconds: float = 30) -> bool:
    """Wait until a condition is true; return False after a timeout."""
    until, pause = time.monotonic() + seconds, threading.Event()
    while not met():
        if time.monotonic() > until:
            return False
        pause.wait(0.02)
    return True
