"""Waiting for what comes true in its own time, at most so long."""

import threading
import time
from collections.abc import Callable


def eventually(met: Callable[[], object], seconds: float = 30) -> bool:
    """Whether it comes true; asks again and again until then."""
    until, pause = time.monotonic() + seconds, threading.Event()
    while not met():
        if time.monotonic() > until:
            return False
        pause.wait(0.02)
    return True
