"""Both stores keep what they are given, within bounds of size and age."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.state.sqlite_store import SqliteStore
from codex_transform.state.store import MemoryStore, Store

Make = Callable[..., Store]


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture(params=["memory", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes a store with a clock and an age limit."""
    made: list[Store] = []

    def go(clock: Clock, ttl: float = 100) -> Store:
        disk = request.param == "disk"
        made.append(
            SqliteStore(tmp_path / "a" / "state.sqlite", ttl, now=clock) if disk else MemoryStore(ttl=ttl, now=clock)
        )
        return made[-1]

    yield go
    for store in made:
        store.close()


def test_values_are_kept_replaced_and_deleted(make: Make) -> None:
    store = make(Clock())
    assert store.get("a") is None
    store.put("a", b"1")
    store.put("a", b"2")
    assert store.get("a") == b"2"
    assert store.delete("a")
    assert store.get("a") is None
    assert not store.delete("a")


def test_what_is_not_used_ages_out(make: Make) -> None:
    clock = Clock()
    store = make(clock)
    store.put("a", b"1")
    clock.time += 99
    assert store.get("a") == b"1"
    clock.time += 102
    assert store.get("a") is None


def test_the_oldest_make_room() -> None:
    store = MemoryStore(max_bytes=10)
    for key in "abcd":
        store.put(key, b"12")
    assert [store.get(key) for key in "abcd"] == [None, b"12", b"12", b"12"]
    store.get("b")
    store.put("e", b"12")
    assert store.get("b") == b"12"
    assert store.get("c") is None
    store.put("f", b"x" * 20)
    assert store.get("f") is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.binary(max_size=4))))
def test_memory_is_a_map(steps: list[tuple[str, bytes | None]]) -> None:
    store, model = MemoryStore(), dict[str, bytes]()
    for key, value in steps:
        if value is None:
            assert store.delete(key) == (model.pop(key, None) is not None)
        else:
            store.put(key, value)
            model[key] = value
    assert {key: store.get(key) for key in "abc"} == {key: model.get(key) for key in "abc"}


def test_the_disk_keeps_values_for_the_next_program(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    store = SqliteStore(path)
    store.put("a", b"1")
    store.put("b", b"2")
    store.delete("b")
    store.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    store = SqliteStore(path)
    assert store.get("a") == b"1"
    assert store.get("b") is None
    store.close()


def test_a_file_that_cannot_be_used_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"no database, but longer than a header of one would be " * 100)
    store = SqliteStore(tmp_path / "state.sqlite")
    store.put("a", b"1")
    assert store.get("a") == b"1"
    store.close()
    assert len(caplog.records) == 1
    assert "state.sqlite" in caplog.text
