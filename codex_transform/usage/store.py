"""What calls have cost, kept across restarts: one row for each call in a small SQLite file, and sums over them.

A row holds counts, names and times, nothing of what was said. Each operation opens the file anew: it may be used from
any thread, by several proxies at once, and whatever happens to the file in between is noticed. Keeping count is a
convenience: no method raises. What stands in the way is a warning, once; a damaged file is set aside and begun anew.
"""

import contextlib
import logging
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from codex_transform.fsutil import retry_while_held
from codex_transform.usage.record import Record, Tokens
from codex_transform.usage.tokens import percentile

logger = logging.getLogger(__name__)

T = TypeVar("T")


RETENTION_DAYS = 400
RETENTION_CALLS = 200_000
"""How many calls are kept at the most: some 25 MB, which are summed in less than a second."""

_VERSION = 1
_SCHEMA = """
CREATE TABLE calls (
    at REAL NOT NULL, model TEXT NOT NULL, conversation TEXT, failed INTEGER NOT NULL,
    input INTEGER NOT NULL, cached INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    first_token REAL, total REAL, cause TEXT, missed INTEGER NOT NULL
)
"""
_INSERT = "INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SUMS = "count(*), sum(failed), sum(input), sum(cached), sum(output), sum(reasoning), sum(missed), min(at), max(at)"

_FAILURES = ("failed", "error", "cut")
# What SQLite says of a file that is none of its own, is broken, or has other tables.
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)
_LONGEST = 200  # characters of a client's word
_PRUNE_EVERY = 1000  # calls


class Usage(NamedTuple):
    """The sum of some calls. `name` is what they share: a model, a conversation, a local day (`2026-11-22`).

    `missed` are tokens that the endpoint's cache could have held and did not. `first_token_p50` and `first_token_p95`
    are the times to the first token that half and 95% of the calls stayed within, in seconds; None if no call had one.
    `since` and `until` are the times of the first call and the last, in unix seconds.
    """

    name: str
    requests: int
    errors: int
    tokens: Tokens
    missed: int
    first_token_p50: float | None
    first_token_p95: float | None
    since: float
    until: float


class Miss(NamedTuple):
    """What one cause (`Verdict.cause`) of missing the endpoint's cache has cost, in tokens."""

    cause: str
    requests: int
    missed: int


class UsageStore:
    """The calls in the file `path`, which need not exist.

    `warn` is told what stands in the way, each thing once, in the thread where it happens. `now` is the clock.
    """

    def __init__(
        self, path: Path, *, warn: Callable[[str], None] = logger.warning, now: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self._warn = warn
        self._now = now
        self._said: set[str] = set()
        self._until_tidy = 0

    def add(self, *records: Record) -> None:
        """Add calls. Blocks on the disk; for one thread at a time."""
        rows = [_row(record) for record in records]

        def insert(db: sqlite3.Connection) -> None:
            db.executemany(_INSERT, rows)
            self._prune(db, len(rows))

        self._transaction(insert)

    def by_model(self, since: float | None = None) -> list[Usage]:
        """Return the calls of each model since a time in unix seconds, the model that read most first."""
        return sorted(self._sums("model", since), key=lambda usage: -usage.tokens.input)

    def by_session(self, since: float | None = None) -> list[Usage]:
        """Return the calls of each conversation, the one used last first; those without one are not among them."""
        rows = self._sums("conversation", since, "AND conversation IS NOT NULL")
        return sorted(rows, key=lambda usage: -usage.until)

    def by_day(self, since: float | None = None) -> list[Usage]:
        """Return the calls of each day, as the clock of this machine counts days, the oldest first."""
        return sorted(self._sums("date(at, 'unixepoch', 'localtime')", since))

    def total(self, since: float | None = None) -> Usage | None:
        """All calls together; None if there are none."""
        return next(iter(self._sums("'all'", since)), None)

    def misses(self, since: float | None = None) -> list[Miss]:
        """Return what missing the cache has cost, the dearest cause first.

        Causes that cost nothing are not among them.
        """
        query = "SELECT cause, count(*), sum(missed) FROM calls WHERE at >= ? AND missed > 0 GROUP BY 1 ORDER BY 3 DESC"
        return [Miss(*row) for row in self._read(query, since)]

    def _sums(self, name: str, since: float | None, only: str = "") -> list[Usage]:
        where = f"WHERE at >= ? {only}"
        times: defaultdict[str, list[float]] = defaultdict(list)
        query = f"SELECT {name}, first_token FROM calls {where} AND first_token IS NOT NULL"
        for key, first_token in self._read(query, since):
            times[key].append(first_token)
        return [
            Usage(
                key,
                requests,
                errors,
                Tokens(input=read, cached=cached, output=written, reasoning=reasoning),
                missed,
                percentile(times[key], 50),
                percentile(times[key], 95),
                first,
                last,
            )
            for key, requests, errors, read, cached, written, reasoning, missed, first, last in self._read(
                f"SELECT {name}, {_SUMS} FROM calls {where} GROUP BY 1", since
            )
        ]

    def _read(self, query: str, since: float | None) -> list[tuple[Any, ...]]:
        with contextlib.suppress(OSError):  # `_transaction` says what is wrong
            if not self.path.exists():
                return []
        return self._transaction(lambda db: db.execute(query, (since or 0.0,)).fetchall()) or []

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what `work` gives, done in one transaction; None, and a warning, if that is not possible."""
        for attempt in (1, 2):
            try:
                with self._opened() as db:
                    return work(db)
            except _NewerError:
                self._warn_once("is of a newer version", "update this program")
            except sqlite3.DatabaseError as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code in _DAMAGED:
                    if self._quarantine(error) and attempt == 1:
                        continue
                elif code == sqlite3.SQLITE_BUSY:
                    self._warn_once("is locked by another program", "end that")
                else:
                    self._warn_once(f"cannot be used ({error})", "make file and folder writable")
            except OSError as error:
                self._warn_once(f"cannot be used ({error.strerror or error})", "make file and folder writable")
            break
        return None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """Yield the database, made if it is not there; what is done with it is one transaction."""
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)  # what SQLite puts beside it gets the same mode
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > _VERSION:
                raise _NewerError
            db.execute("PRAGMA synchronous = NORMAL")
            if version == 0:
                self._create(db)
            # While another proxy has it open the first time this is refused: then the next one to open it does it.
            with contextlib.suppress(sqlite3.OperationalError):
                db.execute("PRAGMA journal_mode = WAL")
            db.execute("BEGIN")
            yield db
            db.execute("COMMIT")

    def _create(self, db: sqlite3.Connection) -> None:
        self.path.chmod(0o600)
        db.execute("BEGIN IMMEDIATE")
        # Another proxy may have been first.
        if db.execute("PRAGMA user_version").fetchone() == (0,):
            db.execute(_SCHEMA)
            db.execute("CREATE INDEX calls_at ON calls (at)")
            db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")

    def _prune(self, db: sqlite3.Connection, added: int) -> None:
        """Delete what is too old or too much, now and then."""
        if self._until_tidy <= 0:
            db.execute("DELETE FROM calls WHERE at < ?", (self._now() - RETENTION_DAYS * 86400,))
            db.execute("DELETE FROM calls WHERE rowid <= (SELECT max(rowid) FROM calls) - ?", (RETENTION_CALLS,))
            self._until_tidy = _PRUNE_EVERY
        self._until_tidy -= added

    def _quarantine(self, error: Exception) -> bool:
        """Put the damaged file out of the way; False, and a warning, if that is not possible."""
        aside = self.path.with_name(f"{self.path.name}.damaged")
        try:
            retry_while_held(lambda: self.path.replace(aside))
            for suffix in ("-wal", "-shm"):
                beside = self.path.with_name(self.path.name + suffix)
                retry_while_held(partial(beside.unlink, missing_ok=True))
        except OSError as problem:
            self._warn_once(f"is damaged ({error}) and cannot be set aside ({problem.strerror})", "delete it")
            return False
        self._warn(
            f"The usage file {self.path} was damaged ({error}): it is {aside.name} now, and counting begins anew."
        )
        return True

    def _warn_once(self, what: str, fix: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._warn(f"The usage file {self.path} {what}, so calls are not counted: {fix}.")


class _NewerError(Exception):
    """The file is of a version that is not known yet."""


def _row(record: Record) -> tuple[Any, ...]:
    tokens, cache = record.tokens or Tokens(), record.cache
    return (
        record.at,
        _clean(record.model or record.asked or "refused"),
        None if record.conversation is None else _clean(record.conversation),
        record.outcome in _FAILURES,
        tokens.input,
        tokens.cached,
        tokens.output,
        tokens.reasoning,
        record.first_token,
        record.total,
        cache.cause if cache else None,
        cache.missed if cache else 0,
    )


def _clean(text: str) -> str:
    """Return a client's word as SQLite takes it: of bounded length, without halves of surrogate pairs."""
    return text[:_LONGEST].encode("utf-8", "replace").decode()
