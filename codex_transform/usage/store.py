"""The costs of calls, across restarts: one row for each call in a small SQLite file, and sums over them.

A row has counts, names and times, and no content. Each operation opens the file: any thread may use it, several proxies
may use it at once, and whatever happens to the file in between is noticed.

Counting is a convenience, so no method raises. A file that cannot be used is a warning, once. A file that is damaged
is renamed, and counting starts again; nothing else is ever moved or deleted. A file of a newer release is read as far
as possible and not written. An SQL mistake of this program is logged as the bug that it is.
"""

import contextlib
import logging
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from codex_transform import sqlite
from codex_transform.fsutil import is_missing, retry_while_held
from codex_transform.usage.record import Record, Tokens
from codex_transform.usage.row import usage_row
from codex_transform.usage.schema import MIGRATIONS, file_version, migrate
from codex_transform.usage.tokens import percentile

logger = logging.getLogger(__name__)

T = TypeVar("T")


RETENTION_DAYS = 400
RETENTION_CALLS = 200_000
"""The limit of rows: some 25 MB, which are summed in less than a second."""

_COLUMNS = (
    "at", "model", "conversation", "failed", "input", "cached", "output", "reasoning", "first_token", "total", "cause",
    "missed", "attempts", "repaired", "person", "address",
)  # fmt: skip
_INSERT = f"INSERT INTO calls ({', '.join(_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _COLUMNS)})"
_SUMS = """
    count(*) AS requests, sum(failed) AS errors, sum(input) AS input, sum(cached) AS cached, sum(output) AS output,
    sum(reasoning) AS reasoning, sum(missed) AS missed, sum(attempts) AS attempts, sum(repaired) AS repaired,
    min(at) AS since, max(at) AS until
"""

_PRUNE_EVERY = 1000  # calls

# Primary result codes of SQLite. A damaged file is one that is no database, or a broken one.
_DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# The disk, the file system and the permissions are to blame.
_ENVIRONMENT = (
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH,
)  # fmt: skip


class Usage(NamedTuple):
    """The sum of some calls.

    `name` is what they have in common: a model, a person, an address, a conversation, a local day (`2026-11-22`).

    `missed` are tokens that the endpoint's cache could have held and did not. `first_token_p50` and `first_token_p95`
    are percentiles of the time to the first token in seconds; None if no call had one. `since` and `until` are the
    times of the first call and the last, in Unix seconds. `attempts` are more than `requests` where a request was sent
    again; `repaired` are calls that were answered after the endpoint had refused them. Tokens are of all attempts.
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
    attempts: int = 0
    repaired: int = 0


class Miss(NamedTuple):
    """The tokens that one cause (`Verdict.cause`) of missing the endpoint's cache has cost."""

    cause: str
    requests: int
    missed: int


class UsageStore:
    """The calls in the file `path`, which need not exist.

    `warn` gets each problem once, in the thread where it occurs. `now` is the clock.
    """

    def __init__(
        self, path: Path, *, warn: Callable[[str], None] = logger.warning, now: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self._warn = warn
        self._now = now
        self._warned: set[str] = set()
        self._calls_until_prune = 0

    def add(self, *records: Record) -> None:
        """Add calls; requests that became no call of a model are left out.

        This blocks on the disk, and is for one thread at a time.
        """
        rows = [usage_row(record) for record in records if record.is_call]
        if not rows:
            return

        def insert(db: sqlite3.Connection) -> None:
            db.executemany(_INSERT, rows)
            self._prune(db, len(rows))

        self._transaction(insert, writes=True)

    def by_model(self, since: float | None = None) -> list[Usage]:
        """Return the calls of each model since a time in Unix seconds, the model with most input first."""
        return sorted(self._sums("model", since), key=lambda usage: -usage.tokens.input)

    def by_session(self, since: float | None = None) -> list[Usage]:
        """Return the calls of each conversation, the one used last first; calls without one are left out."""
        rows = self._sums("conversation", since, "AND conversation IS NOT NULL")
        return sorted(rows, key=lambda usage: -usage.until)

    def by_person(self, since: float | None = None) -> list[Usage]:
        """Return the calls of each person, the one with most input first; calls of nobody are those of `none`."""
        return sorted(self._sums("coalesce(person, 'none')", since), key=lambda usage: -usage.tokens.input)

    def by_address(self, since: float | None = None) -> list[Usage]:
        """Return the calls from each address, the one with most input first; those of this machine are `local`."""
        return sorted(self._sums("coalesce(address, 'local')", since), key=lambda usage: -usage.tokens.input)

    def by_day(self, since: float | None = None) -> list[Usage]:
        """Return the calls of each day in the local time zone, the oldest first."""
        return sorted(self._sums("date(at, 'unixepoch', 'localtime')", since))

    def total(self, since: float | None = None) -> Usage | None:
        """Return all calls together; None if there are none."""
        return next(iter(self._sums("'all'", since)), None)

    def misses(self, since: float | None = None) -> list[Miss]:
        """Return what missing the cache has cost, the most expensive cause first; causes without cost are left out."""
        rows = self._select(
            "SELECT cause, count(*) AS requests, sum(missed) AS missed FROM calls WHERE at >= ? AND missed > 0 "
            "GROUP BY cause ORDER BY sum(missed) DESC",
            since,
        )
        return [Miss(**dict(row)) for row in rows]

    def _sums(self, group: str, since: float | None, condition: str = "") -> list[Usage]:
        where = f"WHERE at >= ? {condition}"
        times: defaultdict[str, list[float]] = defaultdict(list)
        query = f"SELECT {group} AS name, first_token FROM calls {where} AND first_token IS NOT NULL"
        for row in self._select(query, since):
            times[row["name"]].append(row["first_token"])
        return [
            Usage(
                row["name"],
                row["requests"],
                row["errors"],
                Tokens(input=row["input"], cached=row["cached"], output=row["output"], reasoning=row["reasoning"]),
                row["missed"],
                percentile(times[row["name"]], 50),
                percentile(times[row["name"]], 95),
                row["since"],
                row["until"],
                row["attempts"],
                row["repaired"],
            )
            for row in self._select(f"SELECT {group} AS name, {_SUMS} FROM calls {where} GROUP BY 1", since)
        ]

    def _select(self, query: str, since: float | None) -> list[sqlite3.Row]:
        if is_missing(self.path):
            return []
        return self._transaction(lambda db: db.execute(query, (since or 0.0,)).fetchall(), writes=False) or []

    def _transaction(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T | None:
        """Return what `work` returns, done in one transaction; None, and a warning, if that is not possible."""
        for attempt in (1, 2):
            try:
                with self._open(writes=writes) as db:
                    return work(db)
            except _NewerFileError:
                self._warn_once("was written by a newer release", "update codex-transform")
            except sqlite3.Error as error:
                code = _primary_code(error)
                if code in _DAMAGED:
                    if self._quarantine(error) and attempt == 1:
                        continue
                elif code in _BUSY:
                    self._warn_once("is locked by another program", "close that program")
                elif code in _ENVIRONMENT:
                    self._warn_once(f"cannot be used ({error})", "make the file and its folder writable")
                else:
                    self._log_bug(error)
            except OSError as error:
                reason = error.strerror or error
                self._warn_once(f"cannot be used ({reason})", "make the file and its folder writable")
            break
        return None

    @contextlib.contextmanager
    def _open(self, *, writes: bool) -> Iterator[sqlite3.Connection]:
        """Open the database, created or migrated as needed, for one transaction."""
        if not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)  # what SQLite puts beside it gets the same mode
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            version = file_version(db)
            if version > len(MIGRATIONS):
                if writes:
                    raise _NewerFileError
                with _newer_tables():
                    yield db
                return
            if version == 0:
                self.path.chmod(0o600)
            migrate(db)
            sqlite.share(db)
            db.execute("BEGIN")
            yield db
            db.execute("COMMIT")

    def _prune(self, db: sqlite3.Connection, added: int) -> None:
        """Delete what is too old or too much, now and then."""
        if self._calls_until_prune <= 0:
            db.execute("DELETE FROM calls WHERE at < ?", (self._now() - RETENTION_DAYS * 86400,))
            db.execute("DELETE FROM calls WHERE rowid <= (SELECT max(rowid) FROM calls) - ?", (RETENTION_CALLS,))
            self._calls_until_prune = _PRUNE_EVERY
        self._calls_until_prune -= added

    def _quarantine(self, error: Exception) -> bool:
        """Move the damaged file out of the way; return False, with a warning, if that is not possible."""
        aside = self.path.with_name(f"{self.path.name}.damaged")
        try:
            retry_while_held(lambda: self.path.replace(aside))
            for suffix in ("-wal", "-shm"):
                beside = self.path.with_name(self.path.name + suffix)
                retry_while_held(partial(beside.unlink, missing_ok=True))
        except OSError as problem:
            self._warn_once(f"is damaged ({error}) and cannot be renamed ({problem.strerror})", "delete it")
            return False
        self._warn(f"The usage file {self.path} was damaged ({error}). It is {aside.name} now; counting starts again.")
        return True

    def _warn_once(self, problem: str, fix: str) -> None:
        if problem not in self._warned:
            self._warned.add(problem)
            self._warn(f"The usage file {self.path} {problem}. Calls are not counted. Fix: {fix}.")

    def _log_bug(self, error: sqlite3.Error) -> None:
        """Log a mistake in this program's SQL, or unknown tables. The file stays as it is."""
        if str(error) not in self._warned:
            self._warned.add(str(error))
            logger.error(
                "Calls are not counted: codex-transform and the usage file %s do not fit (%s). This is a bug. "
                "Fix: report it; until then, move the file away to start again.",
                self.path,
                error,
                exc_info=error,
            )


class _NewerFileError(Exception):
    """A newer release wrote the file, and this one cannot read or write it."""


@contextlib.contextmanager
def _newer_tables() -> Iterator[None]:
    """Tell a query that fails because a newer release has other tables from a mistake of ours."""
    try:
        yield
    except sqlite3.Error as error:
        if _primary_code(error) == sqlite3.SQLITE_ERROR:
            raise _NewerFileError from error
        raise


def _primary_code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 for a mistake that the module `sqlite3` itself found."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
