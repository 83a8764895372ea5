"""A store on disk: SQLite, in a file of this user's alone.

Strategy: a thread writes, so the event loop waits for no disk; what is still to be written is read from memory. A file
that cannot be used is said once, and the store goes on as one in memory.
"""

import contextlib
import logging
import os
import queue
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Thread

from codex_transform.state.store import TTL, MemoryStore

logger = logging.getLogger(__name__)

_TABLE = "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, used REAL NOT NULL, value BLOB NOT NULL)"
_INDEX = "CREATE INDEX IF NOT EXISTS state_used ON state (used)"
_TOUCH_AFTER = 3600.0
"""Seconds after which the use of a value is worth a write."""

_MAX_FILE = 4_000_000_000
"""Bytes of values in the file; the oldest go first."""

_CLOSE_TIMEOUT = 5.0


class SqliteStore:
    """A store in the file `path`. `now` is a clock in seconds."""

    def __init__(self, path: Path, ttl: float = TTL, *, now: Callable[[], float] = time.time) -> None:
        self._path, self._ttl, self._now = path, ttl, now
        self._pending: dict[str, tuple[float, bytes | None]] = {}
        self._lock = Lock()
        self._fallback: MemoryStore | None = None
        self._tasks: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reading: sqlite3.Connection | None = None
        try:
            self._reading = self._open()
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)
            return
        self._thread = Thread(target=self._write_all, name="codex-state", daemon=True)
        self._thread.start()

    def get(self, key: str) -> bytes | None:
        """Return a value."""
        if self._fallback or self._reading is None:
            return self._fallback.get(key) if self._fallback else None
        with self._lock:
            pending = self._pending.get(key)
        if pending:
            return pending[1] if pending[0] >= self._now() - self._ttl else None
        try:
            row = self._reading.execute("SELECT value, used FROM state WHERE key = ?", (key,)).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        if row is None or row[1] < self._now() - self._ttl:
            return None
        value = bytes(row[0])
        if row[1] < self._now() - _TOUCH_AFTER:
            self.put(key, value)
        return value

    def put(self, key: str, value: bytes) -> None:
        """Set a value."""
        if self._fallback:
            self._fallback.put(key, value)
        else:
            self._submit(key, value)

    def delete(self, key: str) -> bool:
        """Delete a value."""
        if self._fallback:
            return self._fallback.delete(key)
        there = self.get(key) is not None
        if there:
            self._submit(key, None)
        return there

    def close(self) -> None:
        """Write what is still to be written, and close the file."""
        if self._reading is None:
            return
        self._tasks.put(None)
        self._thread.join(_CLOSE_TIMEOUT)
        with contextlib.suppress(sqlite3.Error):
            self._reading.close()

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created before SQLite does, which would let others read it.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        self._path.chmod(0o600)
        db = sqlite3.connect(self._path, timeout=5, isolation_level=None, check_same_thread=False)
        try:
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", _TABLE, _INDEX):
                db.execute(statement)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _submit(self, key: str, value: bytes | None) -> None:
        with self._lock:
            self._pending[key] = self._now(), value
        self._tasks.put(key)

    def _write_all(self) -> None:
        """Write until the store is closed. Runs in the thread."""
        try:
            with contextlib.closing(self._open()) as db:
                self._prune(db)
                while (key := self._tasks.get()) is not None:
                    self._write(db, key)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def _write(self, db: sqlite3.Connection, key: str) -> None:
        with self._lock:
            if key not in self._pending:
                return  # a later value of the same key has been written
            pending = self._pending[key]
        used, value = pending
        if value is None:
            db.execute("DELETE FROM state WHERE key = ?", (key,))
        else:
            db.execute("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", (key, used, value))
        with self._lock:
            if self._pending.get(key) is pending:
                self._pending.pop(key, None)

    def _prune(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM state WHERE used < ?", (self._now() - self._ttl,))
        (size,) = db.execute("SELECT coalesce(sum(length(value)), 0) FROM state").fetchone()
        for key, length in db.execute("SELECT key, length(value) FROM state ORDER BY used").fetchall():
            if size <= _MAX_FILE:
                break
            db.execute("DELETE FROM state WHERE key = ?", (key,))
            size -= length

    def _give_up(self, error: Exception) -> None:
        """Go on in memory."""
        with self._lock:
            if self._fallback is None:
                logger.warning(
                    "%s cannot be used (%s): stored responses are kept in memory until the proxy ends",
                    self._path,
                    error,
                )
                self._fallback = MemoryStore(now=self._now)
                for key, (_, value) in self._pending.items():
                    if value is not None:
                        self._fallback.put(key, value)
