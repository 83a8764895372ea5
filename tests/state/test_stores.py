"""All stores keep what is put into them, within limits of size and age."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.redis_server import redis_server

from codex_transform.errors import ApiError
from codex_transform.state.backend import RETRY_AFTER, Backend, GuardedBackend
from codex_transform.state.conversations import Conversations
from codex_transform.state.redis_backend import RedisBackend
from codex_transform.state.responses import Responses, StoredResponse
from codex_transform.state.shared_store import SharedStore
from codex_transform.state.sqlite_backend import SqliteBackend
from codex_transform.state.store import TTL, MemoryStore, Store
from codex_transform.values import Unavailable

Make = Callable[..., Store]


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture(params=["memory", "shared"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes a store with a clock."""
    backends: list[SqliteBackend] = []

    def go(clock: Clock) -> Store:
        if request.param == "memory":
            return MemoryStore(now=clock)
        backends.append(SqliteBackend(tmp_path / "a" / "state.sqlite", now=clock))
        return SharedStore(GuardedBackend(backends[-1], silent))

    yield go
    for backend in backends:
        backend.close()


def silent(_reason: Unavailable | None) -> None:
    """Reports nothing."""


def test_values_are_kept_replaced_and_deleted(make: Make) -> None:
    store = make(Clock())
    assert store.get("a") is None
    store.put("a", b"1")
    store.put("a", b"2")
    assert store.get("a") == b"2"
    assert store.delete("a")
    assert store.get("a") is None
    assert not store.delete("a")


def test_unused_values_expire(make: Make) -> None:
    clock = Clock()
    store = make(clock)
    store.put("a", b"1")
    clock.time += TTL - 1
    assert store.get("a") == b"1"
    clock.time += TTL - 1
    assert store.get("a") == b"1"
    clock.time += TTL + 1
    assert store.get("a") is None


def test_the_least_recently_used_values_are_evicted() -> None:
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
def test_a_memory_store_is_a_map(steps: list[tuple[str, bytes | None]]) -> None:
    store, model = MemoryStore(), dict[str, bytes]()
    for key, value in steps:
        if value is None:
            assert store.delete(key) == (model.pop(key, None) is not None)
        else:
            store.put(key, value)
            model[key] = value
    assert {key: store.get(key) for key in "abc"} == {key: model.get(key) for key in "abc"}


def test_half_a_surrogate_pair_in_an_id_is_an_unknown_id(connect: Callable[[], Backend]) -> None:
    store = SharedStore(GuardedBackend(connect(), silent))
    responses, conversations = Responses(store, "a"), Conversations(store, "a")
    assert responses.find("resp_\ud800") is None
    assert responses.item("msg_\ud800") is None
    with pytest.raises(ApiError, match="not found"):
        conversations.items("conv_\ud800")
    responses.put(StoredResponse({"id": "resp_1", "output": []}, b"{}"), ["msg_\ud800"])
    assert responses.find("resp_1")


def test_several_processes_share_one_store(connect: Callable[[], Backend]) -> None:
    one, other = (SharedStore(GuardedBackend(connect(), silent)) for _ in range(2))
    one.put("a", b"1")
    one.put("b", b"2")
    assert other.get("a") == b"1"
    assert other.delete("b")
    assert one.get("b") is None
    assert not one.delete("b")


def test_no_change_of_a_conversation_is_lost(connect: Callable[[], Backend]) -> None:
    """Two proxies append at once; then one deletes the conversation, and the other appends to it."""
    stores = [SharedStore(GuardedBackend(connect(), silent)) for _ in range(2)]
    one, other = (Conversations(store, "owner") for store in stores)
    name = one.create()["id"]

    def add(conversations: Conversations) -> None:
        for number in range(20):
            conversations.append(name, [{"type": "message", "id": f"msg_{id(conversations)}_{number}"}])

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(add, (one, other)))
    assert len({item["id"] for item in other.items(name)}) == 40
    one.delete(name)
    other.append(name, [{"type": "message"}])
    with pytest.raises(ApiError, match="not found"):
        other.items(name)


def test_a_value_is_replaced_only_if_it_is_unchanged(make: Make) -> None:
    store = make(Clock())
    store.put("a", b"1")
    assert store.replace("a", b"1", b"2")
    assert not store.replace("a", b"1", b"3")
    assert not store.replace("b", b"1", b"3")
    assert (store.get("a"), store.get("b")) == (b"2", None)


def test_values_put_while_redis_is_down_are_written_once_it_is_back(tmp_path: Path) -> None:
    clock = [0.0]
    with redis_server(tmp_path / "redis") as server:
        guarded = GuardedBackend(RedisBackend(server.state_url), silent, lambda: clock[0])
        store = SharedStore(guarded)
        store.put("a", b"1")
        store.put("gone", b"1")
        server.stop()
        assert store.get("a") == b"1", "this process has put it, and remembers it"
        assert not store.replace("a", b"0", b"3")
        assert store.replace("a", b"1", b"3")
        assert store.delete("gone")
        for number in range(50):
            store.put(f"k{number}", b"2")
        assert store.get("k7") == b"2"
        assert store.get("gone") is None
        server.start()
        clock[0] += RETRY_AFTER
        assert store.get("a") == b"3"
        store.put("k0", b"newer")
        store.close()
        other = SharedStore(GuardedBackend(RedisBackend(server.state_url), silent))
        assert [other.get(key) for key in ("gone", "k0", "k1", "k49")] == [None, b"newer", b"2", b"2"]


def test_an_unusable_file_is_reported_once(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"no database, but longer than the header of one " * 100)
    reported: list[Unavailable | None] = []
    store = SharedStore(GuardedBackend(SqliteBackend(tmp_path / "state.sqlite"), reported.append))
    store.put("a", b"1")
    assert store.get("a") == b"1"
    store.close()
    assert len(reported) == 1
