"""The backend for the proxies of one machine: SQLite, in a file that only its user can read."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from threading import Lock

from codex_transform import sqlite
from codex_transform.state.backend import Swap
from codex_transform.values import Unavailable

_VERSION = 1
_TABLE = "CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, expires REAL NOT NULL, value BLOB NOT NULL)"
_INDEX = "CREATE INDEX IF NOT EXISTS entries_expires ON entries (expires)"
# Until version 1 each value was kept for 30 days from its last use.
_MIGRATE = "INSERT OR IGNORE INTO entries SELECT key, used + 2592000, value FROM state"
_PUT = "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)"

_BUSY_TIMEOUT = 10.0
"""Seconds to wait while another process writes."""

_RENEW_AFTER = 3600.0
"""Seconds after which reading a value extends its expiry."""

_PRUNE_EVERY = 3600.0
_MAX_FILE = 4_000_000_000
"""Bytes of values in the file; those that expire first are removed first."""

_CHUNK = 500
"""Keys in one statement: SQLite takes 999 at least."""


class SqliteBackend:
    """A backend in the file `path`, which is opened when first used. `now` is a clock in seconds."""

    def __init__(self, path: Path, *, now: Callable[[], float] = time.time) -> None:
        self._path, self._now = path, now
        self._lock = Lock()
        self._db: sqlite3.Connection | None = None
        self._prune_at = 0.0

    def read(self, ttls: Mapping[str, float]) -> dict[str, bytes]:
        """Return values."""
        found: dict[str, bytes] = {}
        with self._opened() as db:
            now, keys = self._now(), iter(ttls)
            late: list[tuple[float, str]] = []
            while chunk := list(islice(keys, _CHUNK)):
                marks = ",".join("?" * len(chunk))
                query = f"SELECT key, value, expires FROM entries WHERE key IN ({marks}) AND expires > ?"
                for key, value, expires in db.execute(query, (*chunk, now)):
                    found[key] = bytes(value)
                    if expires < now + ttls[key] - min(_RENEW_AFTER, ttls[key] / 2):
                        late.append((now + ttls[key], key))
            if late:
                db.executemany("UPDATE entries SET expires = ? WHERE key = ?", late)
        return found

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:
        """Set values that have not changed."""
        with self._opened() as db:
            now = self._now()
            db.execute("BEGIN IMMEDIATE")
            try:
                done = [_swap(db, each, now) for each in swaps]
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
        return done

    def put(self, key: str, value: bytes, ttl: float) -> None:
        """Set a value."""
        with self._opened() as db:
            db.execute(_PUT, (key, self._now() + ttl, value))

    def delete(self, key: str) -> bool:
        """Delete a value."""
        with self._opened() as db:
            return db.execute("DELETE FROM entries WHERE key = ? AND expires > ?", (key, self._now())).rowcount > 0

    def check(self) -> str:
        """Return the version of SQLite."""
        with self._opened():
            return f"SQLite {sqlite3.sqlite_version}"

    def close(self) -> None:
        """Close the file."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            if self._db:
                self._db.close()
            self._db = None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Yield the database, to one thread at a time. Raises Unavailable for its errors."""
        with self._lock:
            try:
                if self._db is None:
                    self._db = self._open()
                yield self._db
                if self._now() >= self._prune_at:
                    self._prune_at = self._now() + _PRUNE_EVERY
                    self._prune(self._db)
            except (OSError, sqlite3.Error) as error:
                raise Unavailable(str(error), _fix(error)) from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Created before SQLite does, which would let others read it.
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        self._path.chmod(0o600)
        db = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            sqlite.share(db)
            if db.execute("PRAGMA user_version").fetchone()[0] < _VERSION:
                _create(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prune(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM entries WHERE expires <= ?", (self._now(),))
        (size,) = db.execute("SELECT coalesce(sum(length(value)), 0) FROM entries").fetchone()
        if size <= _MAX_FILE:
            return
        for key, length in db.execute("SELECT key, length(value) FROM entries ORDER BY expires").fetchall():
            if size <= _MAX_FILE:
                break
            db.execute("DELETE FROM entries WHERE key = ?", (key,))
            size -= length


def _create(db: sqlite3.Connection) -> None:
    """Create the table, and copy what an earlier release has stored; several processes may do it at once."""
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(_TABLE)
        db.execute(_INDEX)
        if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'state' AND type = 'table'").fetchone():
            db.execute(_MIGRATE)
            db.execute("DROP TABLE state")
        db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _fix(error: OSError | sqlite3.Error) -> str:
    """Return what to do about an error: SQLite has a class for what surrounds a file, such as rights or a full disk."""
    if isinstance(error, OSError | sqlite3.OperationalError):
        return "make the file and its folder writable for you, and see that the disk has room"
    return "stop the proxies and move the file away: it is damaged"


def _swap(db: sqlite3.Connection, swap: Swap, now: float) -> bool:
    row = db.execute("SELECT value FROM entries WHERE key = ? AND expires > ?", (swap.key, now)).fetchone()
    if (bytes(row[0]) if row else None) != swap.before:
        return False
    if swap.after is None:
        db.execute("DELETE FROM entries WHERE key = ?", (swap.key,))
    else:
        db.execute(_PUT, (swap.key, now + swap.ttl, swap.after))
    return True
