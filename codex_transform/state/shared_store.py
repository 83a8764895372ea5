"""A store that several processes share.

While the backend cannot be reached, values that this process has stored recently are still available, and new ones are
written when the backend is back.
"""

from threading import Lock

from codex_transform.state.backend import GuardedBackend, Swap
from codex_transform.state.store import TTL, MemoryStore
from codex_transform.values import Unavailable

_RECENT_BYTES = 32_000_000
_WRITTEN_AT_A_TIME = 20
_DELETED = b""


class SharedStore:
    """A store in a backend. Its methods wait for the backend, so they are called in threads."""

    def __init__(self, backend: GuardedBackend) -> None:
        self._backend = backend
        self._recent = MemoryStore(_RECENT_BYTES)
        # Keys that have not been written to the backend, the oldest first.
        self._unwritten: dict[str, None] = {}
        # One thread writes at a time, so that no old value replaces a newer one.
        self._writing = Lock()

    def get(self, key: str) -> bytes | None:
        """Return a value."""
        if key not in self._unwritten:
            try:
                value = self._backend.read({key: TTL}).get(key)
            except Unavailable:
                pass
            else:
                self.write_more()
                return value
        return self._recent.get(key) or None

    def put(self, key: str, value: bytes) -> None:
        """Set a value."""
        with self._writing:
            self._recent.put(key, value)
            self._write_through(key, value)
        self.write_more()

    def replace(self, key: str, before: bytes, after: bytes) -> bool:
        """Set a value if the current one is still `before`, for all processes; for this one if the backend is down."""
        with self._writing:
            if key not in self._unwritten:
                try:
                    (replaced,) = self._backend.swap([Swap(key, before, after, TTL)])
                except Unavailable:
                    pass
                else:
                    if replaced:
                        self._recent.put(key, after)
                    return replaced
            if replaced := self._recent.replace(key, before, after):
                self._unwritten[key] = None
            return replaced

    def delete(self, key: str) -> bool:
        """Delete a value."""
        there = self.get(key) is not None
        self.put(key, _DELETED)
        return there

    def write_more(self) -> None:
        """Write some of the unwritten values, if the backend is up."""
        if not self._unwritten or not self._backend.is_up:
            return
        with self._writing:
            for key in list(self._unwritten)[:_WRITTEN_AT_A_TIME]:
                value = self._recent.get(key)
                if value is None:
                    del self._unwritten[key]  # there was no room for it
                elif not self._write_through(key, value):
                    return

    def close(self) -> None:
        """Write the unwritten values, if the backend is up."""
        while self._unwritten and self._backend.is_up:
            self.write_more()

    def _write_through(self, key: str, value: bytes) -> bool:
        """Write a value to the backend; return whether that succeeded."""
        try:
            if value == _DELETED:
                self._backend.delete(key)
            else:
                self._backend.put(key, value, TTL)
        except Unavailable:
            self._unwritten[key] = None
            return False
        self._unwritten.pop(key, None)
        return True
