"""Where responses and conversations are stored: a map from keys to bytes, bounded in size and age."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import RLock
from typing import Protocol

TTL = 30 * 24 * 3600.0
"""Seconds that a value is kept after its last use: as long as the API keeps a response."""

MAX_BYTES = 256_000_000
"""Bytes of keys and values that are kept in memory; the oldest go first."""


def store_key(owner: str, kind: str, name: str) -> str:
    """Return the key for an object of an owner. The name is any that a client asks for, with half a surrogate pair."""
    return f"{owner}/{kind}/{name.encode('utf-8', 'backslashreplace').decode()}"


class Store(Protocol):
    """A map from keys to values. Its methods do not raise; those of a shared store wait, so threads call them."""

    def get(self, key: str) -> bytes | None:
        """Return a value, None if there is none (any more)."""

    def put(self, key: str, value: bytes) -> None:
        """Set a value."""

    def replace(self, key: str, before: bytes, after: bytes) -> bool:
        """Set a value if the current one is still `before`; return whether it was."""

    def delete(self, key: str) -> bool:
        """Delete a value; return whether there was one."""

    def close(self) -> None:
        """Write what is still to be written."""


class MemoryStore:
    """A store in memory, for any thread. `now` is a clock in seconds."""

    def __init__(self, max_bytes: int = MAX_BYTES, ttl: float = TTL, *, now: Callable[[], float] = time.time) -> None:
        self._max_bytes, self._ttl, self._now = max_bytes, ttl, now
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._size = 0
        self._lock = RLock()

    def get(self, key: str) -> bytes | None:
        """Return a value, which is then the youngest."""
        with self._lock:
            self._expire()
            found = self._values.get(key)
            if found is None:
                return None
            self._values[key] = self._now(), found[1]
            self._values.move_to_end(key)
            return found[1]

    def put(self, key: str, value: bytes) -> None:
        """Set a value; the oldest make room for it. One that is larger than all the room is not kept."""
        with self._lock:
            self.delete(key)
            self._values[key] = self._now(), value
            self._size += _size(key, value)
            while self._size > self._max_bytes:
                self.delete(next(iter(self._values)))
            self._expire()

    def replace(self, key: str, before: bytes, after: bytes) -> bool:
        """Set a value if the current one is still `before`."""
        with self._lock:
            unchanged = self.get(key) == before
            if unchanged:
                self.put(key, after)
            return unchanged

    def delete(self, key: str) -> bool:
        """Delete a value."""
        with self._lock:
            found = self._values.pop(key, None)
            if found is None:
                return False
            self._size -= _size(key, found[1])
            return True

    def close(self) -> None:
        """Do nothing: there is nothing to write."""

    def _expire(self) -> None:
        since = self._now() - self._ttl
        while self._values and next(iter(self._values.values()))[0] < since:
            self.delete(next(iter(self._values)))


class Section:
    """A part of a store, which is emptied when it is closed."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._keys: set[str] = set()

    def get(self, key: str) -> bytes | None:
        """Return a value."""
        return self._store.get(f"{self._name}/{key}")

    def put(self, key: str, value: bytes) -> None:
        """Set a value."""
        self._keys.add(key)
        self._store.put(f"{self._name}/{key}", value)

    def replace(self, key: str, before: bytes, after: bytes) -> bool:
        """Set a value if the current one is still `before`."""
        return self._store.replace(f"{self._name}/{key}", before, after)

    def delete(self, key: str) -> bool:
        """Delete a value."""
        self._keys.discard(key)
        return self._store.delete(f"{self._name}/{key}")

    def close(self) -> None:
        """Delete all."""
        for key in [*self._keys]:
            self.delete(key)


class Layered:
    """Several stores as one: a value is found in the first that has it, and written to one of them."""

    def __init__(self, stores: Sequence[Store], write: Store) -> None:
        self._stores, self._write = stores, write

    def get(self, key: str) -> bytes | None:
        """Return a value."""
        return next((value for store in self._stores if (value := store.get(key)) is not None), None)

    def put(self, key: str, value: bytes) -> None:
        """Set a value."""
        self._write.put(key, value)

    def replace(self, key: str, before: bytes, after: bytes) -> bool:
        """Set a value, in the store that has it, if the current one is still `before`."""
        return any(store.replace(key, before, after) for store in self._stores)

    def delete(self, key: str) -> bool:
        """Delete a value, wherever it is."""
        there = [store.delete(key) for store in self._stores]
        return any(there)

    def close(self) -> None:
        """Do nothing: the stores are others'."""


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value)
