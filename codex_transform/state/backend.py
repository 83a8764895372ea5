"""The storage that several proxies share: a map from keys to bytes, each with an expiry.

Strategy: backends are small (`sqlite_backend.py`, `redis_backend.py`), and atomic changes are built on `swap`, which
sets a value only if it is still the one that was read. The methods wait for a disk or a network, so they are called in
threads.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import NamedTuple, Protocol, TypeVar

from codex_transform.values import Unavailable

T = TypeVar("T")

RETRY_AFTER = 2.0
"""Seconds until a backend that could not be reached is tried again."""


class Swap(NamedTuple):
    """A value to set for `ttl` seconds, if the current value is `before`. None stands for no value."""

    key: str
    before: bytes | None
    after: bytes | None
    ttl: float


class Backend(Protocol):
    """A backend. All methods may be called from any thread, and raise Unavailable. No value is empty."""

    def read(self, ttls: Mapping[str, float]) -> dict[str, bytes]:
        """Return the values of those keys that exist, and let each expire its number of seconds from now."""

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """Set values, and return for each whether it was set. No key may occur twice."""

    def put(self, key: str, value: bytes, ttl: float) -> None:
        """Set a value for `ttl` seconds."""

    def delete(self, key: str) -> bool:
        """Delete a value; return whether there was one."""

    def check(self) -> str:
        """Return the name and version, such as `Redis 7.0.15`."""

    def close(self) -> None:
        """Close files and connections."""


class GuardedBackend:
    """A backend that fails at once while it cannot be reached, and is tried again every `RETRY_AFTER` seconds.

    `tell` is called, in any thread, with the error when it becomes unreachable, and with None when it is back. `now`
    is a clock in seconds.
    """

    def __init__(
        self, backend: Backend, tell: Callable[[Unavailable | None], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._backend, self._tell, self._now = backend, tell, now
        self._lock = Lock()
        self._error: Unavailable | None = None
        self._retry_at = 0.0

    @property
    def is_up(self) -> bool:
        """Whether the last attempt to reach it succeeded."""
        return self._error is None

    def read(self, ttls: Mapping[str, float]) -> dict[str, bytes]:
        """Return values."""
        return self._attempt(lambda: self._backend.read(ttls))

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """Set values that have not changed."""
        return self._attempt(lambda: self._backend.swap(swaps))

    def put(self, key: str, value: bytes, ttl: float) -> None:
        """Set a value."""
        self._attempt(lambda: self._backend.put(key, value, ttl))

    def delete(self, key: str) -> bool:
        """Delete a value."""
        return self._attempt(lambda: self._backend.delete(key))

    def check(self) -> str:
        """Return the name and version."""
        return self._attempt(self._backend.check)

    def close(self) -> None:
        """Close files and connections."""
        self._backend.close()

    def _attempt(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._error is not None:
                if self._now() < self._retry_at:
                    raise Unavailable(str(self._error), self._error.fix)
                self._retry_at = self._now() + RETRY_AFTER  # others do not wait for this attempt
        try:
            result = work()
        except Unavailable as error:
            self._note(error)
            raise
        if self._error is not None:
            self._note(None)
        return result

    def _note(self, error: Unavailable | None) -> None:
        with self._lock:
            before, self._error = self._error, error
            self._retry_at = self._now() + RETRY_AFTER
            changed = (before is None) != (error is None)
        if changed:
            self._tell(error)
