"""Small JSON values that outlast a call: what was learnt about endpoints and conversations, and what people have used.

The part of a key before the slash is its kind, as in `pin/…`. A value is never changed in place: a change is a function
that takes the current value, or None, and returns the new one. It may be called more than once, if another process
changes the value at the same time (see `state/shared_values.py`), so it must have no side effects.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

Change = Callable[[Any], Any]

MAX_KEYS = 10_000
"""Values of a kind that are kept in memory; the least recently used are removed first."""

_LONGEST = 1 << 16  # characters of what a key is remembered for


def key_of(kind: str, *parts: str) -> str:
    """Return a key with a hash of its parts, so that it reveals no name, conversation or address."""
    return (_known_key if sum(map(len, parts)) <= _LONGEST else _key)(kind, *parts)


def _key(kind: str, *parts: str) -> str:
    digest = sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kind}/{digest[:32]}"


_known_key = lru_cache(maxsize=1024)(_key)


class Unavailable(Exception):  # noqa: N818 - it is no fault of the program
    """The backend of shared values cannot be used: the message says why, and `fix` what to do, as "start it" would."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


class Values:
    """Values that belong to this process only. `now` is a clock in seconds."""

    def __init__(self, *, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._kinds: dict[str, OrderedDict[str, tuple[float, float, Any]]] = {}

    def get(self, key: str) -> Any:
        """Return a value as this process knows it; None if there is none, or it has expired."""
        values = self._kind(key)
        until, ttl, value = values.get(key, (0.0, 0.0, None))
        if value is None:
            return None
        now = self._now()
        if until <= now:
            del values[key]
            return None
        values[key] = now + ttl, ttl, value
        values.move_to_end(key)
        return value

    def update(self, key: str, change: Change, ttl: float) -> None:
        """Change a value here at once, and soon for all processes. It expires `ttl` seconds after its last use.

        If `change` raises an exception, the value stays and the exception is passed on.
        """
        self._put(key, change(self.get(key)), ttl)

    async def commit(self, key: str, change: Change, ttl: float) -> None:
        """Change a value atomically for all processes. Raises Unavailable, and what `change` raises."""
        self.update(key, change, ttl)

    async def refresh(self, keys: Mapping[str, float]) -> None:
        """Read the shared values of these keys, each with its `ttl`. If that fails, the known values stay."""

    def _put(self, key: str, value: Any, ttl: float) -> None:
        values = self._kind(key)
        if value is None:
            values.pop(key, None)
            return
        values[key] = self._now() + ttl, ttl, value
        values.move_to_end(key)
        if len(values) > MAX_KEYS:
            values.popitem(last=False)

    def _kind(self, key: str) -> OrderedDict[str, tuple[float, float, Any]]:
        return self._kinds.setdefault(key.partition("/")[0], OrderedDict())
