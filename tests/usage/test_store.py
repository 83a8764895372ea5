"""The usage database: sums are right, the file is private and bounded, and trouble is only a warning."""

import contextlib
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform import paths
from codex_transform.usage.record import CacheVerdict, FailedAttempt, Record, Tokens
from codex_transform.usage.store import RETENTION_CALLS, RETENTION_DAYS, Miss, UsageStore

NOW = 1_800_000_000.0

# Adds argv[2] calls to the file argv[1], and prints warnings.
WRITER = """
import sys
from pathlib import Path
from codex_transform.usage.record import Record
from codex_transform import paths
from codex_transform.usage.store import UsageStore
store = UsageStore(Path(sys.argv[1]), warn=print, now=lambda: 1_800_000_000.0)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    store.add(Record(at=1_800_000_000.0, model="gpt-5.1"))
"""


def refuse(message: str) -> None:
    raise AssertionError(message)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "made" / "usage.sqlite"


@pytest.fixture
def store(file: Path) -> UsageStore:
    return UsageStore(file, warn=refuse, now=lambda: NOW)


def call(at: float = NOW, model: str | None = "gpt-5.1", **members: Any) -> Record:
    return Record(at=at, model=model, **members)


def test_a_missing_file_has_no_usage_and_is_not_created(store: UsageStore, file: Path) -> None:
    assert (store.by_model(), store.by_session(), store.by_day(), store.misses(), store.total()) == (
        [],
        [],
        [],
        [],
        None,
    )
    assert not file.parent.exists()


def test_usage_by_model(store: UsageStore) -> None:
    for cached, first_token in ((0, 1.0), (900, 3.0), (600, 2.0)):
        store.add(
            call(tokens=Tokens(input=1000, cached=cached, output=50, reasoning=20), first_token=first_token, total=9.0)
        )
    store.add(call(at=NOW + 5, outcome="error", status=429))
    store.add(call(model="gpt-5.2", tokens=Tokens(input=5000), outcome="left"))
    store.add(call(model=None, asked="a", outcome="error"))
    larger, smaller, unresolved = store.by_model()
    assert (larger.name, larger.requests, larger.errors, larger.tokens.input) == ("gpt-5.2", 1, 0, 5000)
    assert smaller.name == "gpt-5.1"
    assert (smaller.requests, smaller.errors) == (4, 1)
    assert smaller.tokens == Tokens(input=3000, cached=1500, output=150, reasoning=60)
    assert smaller.tokens.cached_share == 0.5
    assert (smaller.first_token_p50, smaller.first_token_p95) == (2.0, 3.0)
    assert (smaller.since, smaller.until) == (NOW, NOW + 5)
    assert (unresolved.name, unresolved.errors, unresolved.first_token_p50) == ("a", 1, None)


def test_failed_attempts_and_their_tokens_are_counted(store: UsageStore) -> None:
    refused = FailedAttempt(rule="item", refused="no", done="again", edited=True, tokens=Tokens(input=5, output=1))
    again = FailedAttempt(rule="retry", refused="no", done="again")
    store.add(
        call(tokens=Tokens(input=100, output=10), attempts=(refused, again)),
        call(attempts=(again,)),
        call(outcome="error", attempts=(refused,)),
    )
    total = store.total()
    assert total
    assert (total.requests, total.attempts, total.repaired) == (3, 7, 1)
    assert total.tokens == Tokens(input=110, output=12)


def test_sums_survive_a_restart(store: UsageStore, file: Path) -> None:
    store.add(call(tokens=Tokens(input=7)))
    again = UsageStore(file, warn=refuse, now=lambda: NOW)
    again.add(call(tokens=Tokens(input=3)))
    total = again.total()
    assert total
    assert (total.requests, total.tokens.input) == (2, 10)


def test_usage_by_session(store: UsageStore) -> None:
    store.add(call(conversation="ses_1", tokens=Tokens(input=10)))
    store.add(call(at=NOW + 1, conversation="ses_2", model="gpt-5.2"))
    store.add(call(at=NOW + 2, conversation="ses_1", model="gpt-5.2", tokens=Tokens(input=10)))
    store.add(call(at=NOW + 3))
    found = [(usage.name, usage.requests, usage.tokens.input) for usage in store.by_session()]
    assert found == [("ses_1", 2, 20), ("ses_2", 1, 0)]


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the time zone cannot be set here")
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_days_begin_at_local_midnight(store: UsageStore, monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        midnight = datetime(2026, 11, 22).timestamp()  # noqa: DTZ001 - local midnight
        for at in (midnight + 86_399, midnight, midnight - 1, midnight + 86_400):
            store.add(call(at=at))
        found = [(usage.name, usage.requests) for usage in store.by_day(since=midnight - 10)]
        assert found == [("2026-11-21", 1), ("2026-11-22", 2), ("2026-11-23", 1)]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_only_calls_since_a_time_are_counted(store: UsageStore) -> None:
    for age in (0, 10, 20):
        store.add(call(at=NOW - age, conversation="c", cache=CacheVerdict(cause="item", says="", missed=5)))
    for query in (store.by_model, store.by_session):
        assert [usage.requests for usage in query(NOW - 10)] == [2]
    assert store.misses(NOW - 10) == [Miss("item", 2, 10)]
    total = store.total(NOW - 9)
    assert total
    assert total.requests == 1
    assert store.total(NOW + 1) is None


def test_misses_by_cause(store: UsageStore) -> None:
    for cause, missed in (("item", 100), ("tools", 4000), ("item", 50), ("append", 0), ("idle", 900)):
        store.add(call(cache=CacheVerdict(cause=cause, says="", missed=missed)))
    assert store.misses() == [Miss("tools", 1, 4000), Miss("idle", 1, 900), Miss("item", 2, 150)]
    total = store.total()
    assert total
    assert total.missed == 5050


@given(
    st.lists(
        st.builds(
            Record,
            at=st.floats(NOW - 1e6, NOW),
            model=st.none() | st.text(),
            conversation=st.none() | st.text(),
            tokens=st.none() | st.builds(Tokens, input=st.integers(0, 10**12), cached=st.integers(0, 10**12)),
            first_token=st.none() | st.floats(0, 1e6),
        ),
        max_size=6,
    )
)
def test_every_call_of_a_model_is_counted(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    store = UsageStore(tmp_path_factory.mktemp("usage") / "usage.sqlite", warn=refuse, now=lambda: NOW)
    for record in records:
        store.add(record)
    calls = [each for each in records if each.model]
    for sums in (store.by_model(), store.by_day()):
        assert sum(usage.requests for usage in sums) == len(calls)
        assert sum(usage.tokens.input for usage in sums) == sum(each.tokens.input for each in calls if each.tokens)
    assert sum(usage.requests for usage in store.by_session()) == sum(each.conversation is not None for each in calls)


def test_a_refused_request_is_no_call_of_a_model(store: UsageStore) -> None:
    store.add(call(model=None, outcome="error", status=400))
    assert store.total() is None
    assert store.by_model() == []


def test_names_from_clients_are_truncated(store: UsageStore) -> None:
    store.add(call(model="m" * 100_000, conversation="c" * 100_000))
    assert len(store.by_model()[0].name) == len(store.by_session()[0].name) == 200


@pytest.mark.skipif(os.name != "posix", reason="POSIX file modes")
def test_only_the_user_may_read_the_file(store: UsageStore, file: Path) -> None:
    before = os.umask(0o022)
    try:
        store.add(call())
        # While it is open, SQLite keeps more files beside it.
        with sqlite3.connect(file) as held:
            held.execute("SELECT * FROM calls").fetchall()
            store.add(call())
            modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
        held.close()
    finally:
        os.umask(before)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert len(modes) > 1
    assert set(modes.values()) == {0o600}


def test_several_proxies_may_write_at_once(store: UsageStore, file: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, file, "50"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("\n")
        writer.stdin.flush()
    for _ in range(50):
        store.add(call())
    for writer in writers:
        output, _ = writer.communicate(timeout=60)
        assert (writer.returncode, output) == (0, "")
    total = store.total()
    assert total
    assert total.requests == 200


def write_garbage(file: Path) -> None:
    file.write_bytes(random.Random(1).randbytes(5000))


def cut_in_half(file: Path) -> None:
    UsageStore(file, warn=refuse, now=lambda: NOW).add(call())
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def break_pages(file: Path) -> None:
    UsageStore(file, warn=refuse, now=lambda: NOW).add(call())
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"\xff" * (len(content) - 100))


@pytest.mark.parametrize("damage", [write_garbage, cut_in_half, break_pages])
def test_a_damaged_file_is_renamed_and_a_new_one_begun(file: Path, damage: Callable[[Path], None]) -> None:
    file.parent.mkdir()
    damage(file)
    damaged = file.read_bytes()
    warnings: list[str] = []
    store = UsageStore(file, warn=warnings.append, now=lambda: NOW)
    for _ in range(3):
        store.add(call())
    total = store.total()
    assert total
    assert total.requests == 3
    (warning,) = warnings
    assert "damaged" in warning
    assert str(file) in warning
    assert file.with_name("usage.sqlite.damaged").read_bytes() == damaged


def test_reading_a_damaged_file_is_a_warning_too(file: Path) -> None:
    file.parent.mkdir()
    write_garbage(file)
    warnings: list[str] = []
    assert UsageStore(file, warn=warnings.append).by_model() == []
    assert len(warnings) == 1


def test_a_file_with_foreign_tables_is_reported_as_a_bug_and_kept(
    file: Path, store: UsageStore, caplog: pytest.LogCaptureFixture
) -> None:
    file.parent.mkdir()
    with contextlib.closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE calls (number)")
        other.commit()
    content = file.read_bytes()
    for _ in range(3):
        store.add(call())
    assert store.total() is None
    assert file.read_bytes() == content
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    (logged,) = caplog.records
    assert logged.levelname == "ERROR"
    assert "This is a bug" in logged.message
    assert str(file) in logged.message
    assert logged.exc_info


def test_a_file_that_cannot_be_written_gives_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "usage.sqlite", tmp_path / "folder"):
        warnings: list[str] = []
        store = UsageStore(path, warn=warnings.append)
        for _ in range(3):
            store.add(call())
        assert store.by_model() == []
        (warning,) = warnings
        assert str(path) in warning
        assert "writable" in warning


def test_old_calls_are_forgotten(file: Path) -> None:
    clock = [NOW]
    first = UsageStore(file, warn=refuse, now=lambda: clock[0])
    first.add(call(at=NOW))
    clock[0] += (RETENTION_DAYS + 1) * 86_400
    UsageStore(file, warn=refuse, now=lambda: clock[0]).add(call(at=clock[0]))
    total = first.total()
    assert total
    assert (total.requests, total.since) == (1, clock[0])


def test_the_number_of_calls_is_bounded(store: UsageStore, file: Path) -> None:
    store.add(call())
    with sqlite3.connect(file) as db:
        numbers = f"WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {RETENTION_CALLS + 500})"
        db.execute(
            "INSERT INTO calls (at, model, failed, input, cached, output, reasoning, first_token, missed) "
            f"{numbers} SELECT {NOW}, 'gpt-5.1', 0, 1, 0, 0, 0, 1.5, 0 FROM n"
        )
    db.close()
    UsageStore(file, warn=refuse, now=lambda: NOW).add(call())
    total = store.total()
    assert total
    assert total.requests == RETENTION_CALLS
    assert file.stat().st_size < 40_000_000


def test_the_default_file_is_in_the_users_home() -> None:
    assert paths.usage_database(paths.home_or_none()) == Path.home() / ".opencode" / "codex-usage.sqlite"
