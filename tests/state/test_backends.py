"""Every backend is a map that several processes share, with values that expire and an atomic swap."""

import re
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from support.redis_server import RedisServer, redis_server
from support.waiting import eventually

from codex_transform.settings.state_url import parse
from codex_transform.state.backend import RETRY_AFTER, Backend, GuardedBackend, Swap
from codex_transform.state.redis_backend import PREFIX, RedisBackend
from codex_transform.state.sqlite_backend import SqliteBackend
from codex_transform.values import Unavailable

Connect = Callable[[], Backend]


def read(backend: Backend, *keys: str) -> dict[str, bytes]:
    return backend.read(dict.fromkeys(keys, 100.0))


def test_one_connection_sees_what_another_has_put(connect: Connect) -> None:
    one, other = connect(), connect()
    assert read(one, "a", "b") == {}
    one.put("a", b"1", 100)
    one.put("b", bytes(range(256)), 100)
    one.put("b", b"\0" + b"2" * 100_000, 100)
    assert read(other, "a", "b", "c") == {"a": b"1", "b": b"\0" + b"2" * 100_000}
    assert other.delete("a")
    assert not one.delete("a")
    assert read(one, "a") == {}
    assert read(one, *map(str, range(3000)), "b").keys() == {"b"}
    assert one.check().split()[0] in ("SQLite", "Redis", "Valkey")


def test_a_swap_sets_only_values_that_are_unchanged(connect: Connect) -> None:
    one, other = connect(), connect()
    assert one.swap([Swap("a", None, b"1", 100), Swap("b", b"x", b"2", 100)]) == [True, False]
    assert other.swap([Swap("a", None, b"2", 100)]) == [False]
    assert other.swap([Swap("a", b"1", b"2", 100), Swap("c", None, b"3", 100)]) == [True, True]
    assert read(one, "a", "b", "c") == {"a": b"2", "c": b"3"}
    assert one.swap([Swap("a", b"2", None, 100), Swap("c", b"2", None, 100)]) == [True, False]
    assert read(other, "a", "c") == {"c": b"3"}


def test_values_expire_unless_they_are_read(connect: Connect) -> None:
    backend = connect()

    def swap_in(key: str) -> bool:
        """Sets a value if there is none. Unlike a read, this leaves the expiry of one as it is."""
        return backend.swap([Swap(key, None, b"new", 100)]) == [True]

    backend.put("read", b"1", 0.3)
    backend.put("deleted", b"2", 0.3)
    backend.swap([Swap("swapped", None, b"3", 0.3)])
    backend.put("put", b"4", 0.3)
    assert backend.read({"read": 1000.0}) == {"read": b"1"}
    assert eventually(lambda: swap_in("put"))
    assert swap_in("swapped")
    assert not backend.delete("deleted")
    assert read(backend, "read", "put") == {"read": b"1", "put": b"new"}


def test_concurrent_swaps_lose_no_update(connect: Connect) -> None:
    """Four connections increase one number by swaps alone."""

    def add(backend: Backend) -> None:
        for _ in range(50):
            while True:
                before = read(backend, "sum").get("sum")
                after = str(int(before or 0) + 1).encode()
                if backend.swap([Swap("sum", before, after, 100)]) == [True]:
                    break

    threads = [threading.Thread(target=add, args=(connect(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert read(connect(), "sum") == {"sum": b"200"}


def test_the_file_is_private_and_keeps_values_of_an_earlier_release(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE state (key TEXT PRIMARY KEY, used REAL NOT NULL, value BLOB NOT NULL)")
        db.execute("INSERT INTO state VALUES ('old', 1000, x'31'), ('older', 1, x'32')")
        db.commit()
    path.chmod(0o644)
    clock = [1000.0 + 29 * 24 * 3600]
    backend = SqliteBackend(path, now=lambda: clock[0])
    assert read(backend, "old") == {"old": b"1"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    clock[0] += 24 * 3600
    assert read(backend, "older") == {}
    backend.put("new", b"1", 10)
    clock[0] += 3601
    backend.put("newer", b"1", 10)
    backend.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT key FROM entries").fetchall() == [("newer",)], "the others have expired"


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite"
    content = b"no database, but longer than the header of one " * 100
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(Unavailable, match="not a database"):
            SqliteBackend(path).put("a", b"1", 10)
    assert path.read_bytes() == content


def test_redis_keys_have_a_prefix_and_an_expiry(redis: RedisServer) -> None:
    from redis import Redis

    redis.clear()
    backend = RedisBackend(redis.state_url)
    backend.put("a", b"1", 50)
    backend.swap([Swap("b", None, b"2", 50)])
    with Redis.from_url(redis.url) as client:
        assert {key.decode() for key in client.scan_iter()} == {f"{PREFIX}a", f"{PREFIX}b"}
        assert all(0 < client.ttl(key) <= 50 for key in client.scan_iter())
    backend.close()


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(Unavailable) as caught:
        RedisBackend(parse("redis://:secret@localhost")).check()
    assert re.search(r'^run `.*pip install.* "redis>=', caught.value.fix)
    assert "secret" not in str(caught.value) + caught.value.fix


def test_a_lost_connection_is_opened_again(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as server:
        backend = RedisBackend(server.state_url)
        backend.put("a", b"1", 100)
        server.stop()
        server.start()
        assert read(backend, "a") == {"a": b"1"}
        backend.close()


def test_a_stopped_redis_is_reported_once_and_its_return_once(tmp_path: Path) -> None:
    reported: list[Unavailable | None] = []
    clock = [0.0]
    with redis_server(tmp_path / "redis") as server:
        backend = GuardedBackend(RedisBackend(server.state_url), reported.append, lambda: clock[0])
        backend.put("a", b"1", 100)
        assert backend.is_up
        server.stop()
        for _ in range(5):
            with pytest.raises(Unavailable):
                read(backend, "a")
        assert not backend.is_up
        assert len(reported) == 1
        server.start()
        with pytest.raises(Unavailable):
            read(backend, "a")
        clock[0] += RETRY_AFTER
        assert read(backend, "a") == {"a": b"1"}
        assert reported[1:] == [None]
        backend.close()
