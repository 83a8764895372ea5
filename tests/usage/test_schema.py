"""The usage file of another release: an older one is migrated, a newer one is read and never harmed."""

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from codex_transform.usage.record import Record, Tokens
from codex_transform.usage.schema import MIGRATIONS, file_version, migrate
from codex_transform.usage.store import UsageStore

NOW = 1_800_000_000.0

# As release 0.1 wrote it.
FIRST_RELEASE = """
CREATE TABLE calls (
    at REAL NOT NULL, model TEXT NOT NULL, conversation TEXT, failed INTEGER NOT NULL,
    input INTEGER NOT NULL, cached INTEGER NOT NULL, output INTEGER NOT NULL, reasoning INTEGER NOT NULL,
    first_token REAL, total REAL, cause TEXT, missed INTEGER NOT NULL
);
CREATE INDEX calls_at ON calls (at);
PRAGMA journal_mode = WAL;
INSERT INTO calls VALUES (1799999000.0, 'gpt-5.1', 'ses_1', 0, 1000, 900, 50, 20, 1.5, 9.0, 'append', 0);
INSERT INTO calls VALUES (1799999500.0, 'gpt-5.1', NULL, 1, 0, 0, 0, 0, NULL, NULL, 'item', 70);
"""

NEXT = (*MIGRATIONS, ("ALTER TABLE calls ADD COLUMN client TEXT", "CREATE INDEX calls_client ON calls (client)"))
"""Migrations that a later release might have."""

MIGRATE = """
import sqlite3, sys
from codex_transform.usage.schema import migrate
sys.stdin.readline()
migrate(sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30), eval(sys.argv[2]))
"""


def refuse(message: str) -> None:
    raise AssertionError(message)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "usage.sqlite"


def write(file: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.executescript(sql)


def upgrade(file: Path, migrations: Sequence[Sequence[str]]) -> None:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as db:
        migrate(db, migrations)


def columns(file: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(file)) as db:
        return [row[1] for row in db.execute("PRAGMA table_info(calls)")]


def version(file: Path) -> int:
    with contextlib.closing(sqlite3.connect(file)) as db:
        return file_version(db)


def call() -> Record:
    return Record(at=NOW, model="gpt-5.2", tokens=Tokens(input=7))


@pytest.mark.parametrize("number", [0, 1])
def test_a_file_of_the_first_release_keeps_its_rows(file: Path, number: int) -> None:
    write(file, f"{FIRST_RELEASE} PRAGMA user_version = {number};")
    store = UsageStore(file, warn=refuse, now=lambda: NOW)
    store.add(call())
    old, new = store.by_model()
    assert (old.name, old.requests, old.errors, old.missed) == ("gpt-5.1", 2, 1, 70)
    assert old.tokens == Tokens(input=1000, cached=900, output=50, reasoning=20)
    assert (old.first_token_p50, old.since, old.until) == (1.5, 1_799_999_000.0, 1_799_999_500.0)
    assert (new.name, new.tokens.input) == ("gpt-5.2", 7)
    assert [each.name for each in store.by_session()] == ["ses_1"]
    assert version(file) == len(MIGRATIONS)
    assert not file.with_name("usage.sqlite.damaged").exists()


def test_calls_from_before_there_were_people_count_for_nobody(file: Path) -> None:
    write(file, f"{FIRST_RELEASE} PRAGMA user_version = 1;")
    upgrade(file, MIGRATIONS[:2])
    store = UsageStore(file, warn=refuse, now=lambda: NOW)
    store.add(replace(call(), person="alice"), call())
    assert [(each.name, each.requests) for each in store.by_person()] == [("none", 3), ("alice", 1)]
    assert [each.name for each in store.by_person(NOW)] == ["alice", "none"]
    store.add(replace(call(), address="203.0.113.7"))
    assert [(each.name, each.requests) for each in store.by_address()] == [("local", 4), ("203.0.113.7", 1)]


def test_a_file_of_the_first_release_gets_a_later_releases_column(file: Path) -> None:
    write(file, f"{FIRST_RELEASE} PRAGMA user_version = 1;")
    upgrade(file, NEXT)
    assert columns(file)[-1] == "client"
    assert version(file) == len(NEXT)
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT model, client FROM calls ORDER BY at").fetchall() == [("gpt-5.1", None)] * 2
    upgrade(file, NEXT)
    assert version(file) == len(NEXT)


def test_an_empty_file_goes_through_every_migration(file: Path) -> None:
    upgrade(file, NEXT)
    assert columns(file)[0] == "at"
    assert columns(file)[-1] == "client"


def test_a_migration_that_fails_changes_nothing(file: Path) -> None:
    write(file, f"{FIRST_RELEASE} PRAGMA user_version = 1;")
    before = columns(file)
    with pytest.raises(sqlite3.OperationalError, match="no such table: other"):
        upgrade(file, (*NEXT, ("ALTER TABLE other ADD COLUMN x",)))
    assert columns(file) == before
    assert version(file) == 1


def test_a_downgrade_changes_nothing(file: Path) -> None:
    upgrade(file, NEXT)
    upgrade(file, MIGRATIONS)
    assert version(file) == len(NEXT)


def test_several_programs_may_migrate_at_once(file: Path) -> None:
    write(file, f"{FIRST_RELEASE} PRAGMA user_version = 1;")
    programs = [
        subprocess.Popen([sys.executable, "-c", MIGRATE, file, repr(NEXT)], stdin=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for program in programs:
        assert program.stdin
        program.stdin.write("\n")
        program.stdin.flush()
    for program in programs:
        program.communicate(timeout=60)
        assert program.returncode == 0
    assert columns(file).count("client") == 1


def test_a_file_of_a_newer_release_is_read_and_not_written(file: Path) -> None:
    write(file, f"{FIRST_RELEASE} PRAGMA user_version = 1;")
    upgrade(file, NEXT)
    content = file.read_bytes()
    warnings: list[str] = []
    store = UsageStore(file, warn=warnings.append, now=lambda: NOW)
    for _ in range(3):
        store.add(call())
    total = store.total()
    assert total
    assert (total.requests, total.tokens.input) == (2, 1000)
    assert [each.cause for each in store.misses()] == ["item"]
    assert file.read_bytes() == content
    (warning,) = warnings
    assert "newer release" in warning
    assert str(file) in warning
    assert "Fix: update" in warning


def test_a_newer_file_that_cannot_be_read_is_left_alone(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(file, "CREATE TABLE requests (at REAL); PRAGMA user_version = 99;")
    content = file.read_bytes()
    warnings: list[str] = []
    store = UsageStore(file, warn=warnings.append, now=lambda: NOW)
    store.add(call())
    assert (store.by_model(), store.misses(), store.total()) == ([], [], None)
    assert file.read_bytes() == content
    assert list(file.parent.iterdir()) == [file]
    (warning,) = warnings
    assert "newer release" in warning
    assert not caplog.records
