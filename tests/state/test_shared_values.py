"""Values that processes share, in memory, SQLite or Redis: each change counts once, and reaches all of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.redis_server import redis_server

from codex_transform.errors import ApiError
from codex_transform.people.limiter import Limiter
from codex_transform.people.person import Limits, Person, new_person
from codex_transform.state.backend import Backend, GuardedBackend, Swap
from codex_transform.state.shared_values import SharedValues
from codex_transform.values import MAX_KEYS, Unavailable, Values

Join = Callable[[], SharedValues]
DAY = 24 * 3600.0


def silent(_reason: Unavailable | None) -> None:
    """Reports nothing."""


@pytest.fixture
async def join(connect: Callable[[], Backend]) -> AsyncIterator[Join]:
    """Joins the shared values as another process would."""
    opened: list[SharedValues] = []

    def go() -> SharedValues:
        values = SharedValues()
        values.use(GuardedBackend(connect(), silent))
        opened.append(values)
        return values

    yield go
    for values in opened:
        values.close()


def add(number: int) -> Callable[[Any], Any]:
    return lambda before: (before or 0) + number


def set_once(text: str) -> Callable[[Any], Any]:
    return lambda before: before or text


def set_to(value: object) -> Callable[[Any], Any]:
    return lambda _: value


async def flushed(values: SharedValues) -> None:
    """Waits until all changes have been shared."""
    await values.refresh({"none/of/interest": DAY})


async def test_a_change_by_one_reaches_the_other(join: Join) -> None:
    one, other = join(), join()
    one.update("a/1", lambda _: {"x": [1, "é", None]}, DAY)
    assert one.get("a/1") == {"x": [1, "é", None]}, "at once"
    await flushed(one)
    assert other.get("a/1") is None
    await other.refresh({"a/1": DAY, "a/2": DAY})
    assert other.get("a/1") == {"x": [1, "é", None]}
    other.update("a/1", lambda _: None, DAY)
    await flushed(other)
    await one.refresh({"a/1": DAY})
    assert one.get("a/1") is None


async def test_the_first_value_wins_if_the_change_keeps_it(join: Join) -> None:
    one, other = join(), join()
    for values, text in ((one, "one"), (other, "other")):
        values.update("pin/c", set_once(text), DAY)
        await flushed(values)
    assert one.get("pin/c") == other.get("pin/c") == "one"


async def test_every_change_counts_once(join: Join) -> None:
    processes = [join() for _ in range(3)]

    async def count(values: SharedValues) -> None:
        for number in range(40):
            if number % 2:
                values.update("n/1", add(1), DAY)
            else:
                await values.commit("n/1", add(1), DAY)

    await asyncio.gather(*(count(values) for values in processes for _ in range(3)))
    for values in processes:
        await flushed(values)
    await processes[0].refresh({"n/1": DAY})
    assert processes[0].get("n/1") == 3 * 3 * 40


async def test_a_change_that_refuses_changes_nothing(join: Join) -> None:
    values = join()
    await values.commit("n/1", add(1), DAY)

    def refuse(_before: object) -> object:
        raise ApiError(429, "too much")

    with pytest.raises(ApiError, match="too much"):
        await values.commit("n/1", refuse, DAY)
    await values.commit("n/1", add(1), DAY)
    assert values.get("n/1") == 2


async def test_limits_hold_for_five_hundred_calls_at_once_over_two_processes(join: Join) -> None:
    limiters = [Limiter(join()), Limiter(join())]
    alice = new_person("alice", Limits(requests_per_minute=20, tokens_per_day=10_000))[0]

    async def call(person: Person, number: int, tokens: int) -> bool:
        try:
            await limiters[number % 2].admit(person, tokens)
        except ApiError as error:
            return error.status != 429
        return True

    assert sum(await asyncio.gather(*(call(alice, number, 1000) for number in range(500)))) == 10
    bob = new_person("bob", Limits(requests_per_minute=20))[0]
    assert sum(await asyncio.gather(*(call(bob, number, 0) for number in range(500)))) == 20


async def test_changes_made_while_the_backend_is_down_are_shared_later(tmp_path: Path) -> None:
    from codex_transform.state.redis_backend import RedisBackend

    reported: list[Unavailable | None] = []
    with redis_server(tmp_path / "redis") as server:
        values = SharedValues()
        values.use(GuardedBackend(RedisBackend(server.state_url), reported.append))
        await values.commit("n/1", add(1), DAY)
        server.stop()
        values.update("n/1", add(10), DAY)
        await values.refresh({"n/1": DAY})
        assert values.get("n/1") == 11
        with pytest.raises(Unavailable):
            await values.commit("n/1", add(100), DAY)
        values.update("n/1", add(1000), DAY)
        assert len(reported) == 1
        server.start()
        # Nothing reads or writes a value: the return is noticed without that.
        for _ in range(500):
            if reported[1:]:
                break
            await asyncio.sleep(0.02)
        assert reported[1:] == [None]
        other = SharedValues()
        other.use(GuardedBackend(RedisBackend(server.state_url), silent))
        await flushed(values)
        await other.refresh({"n/1": DAY})
        assert other.get("n/1") == values.get("n/1") == 1011
        values.close()
        other.close()


class Broken:
    """A backend whose values are not JSON and whose swaps fail."""

    def read(self, ttls: Any) -> dict[str, bytes]:
        return dict.fromkeys(ttls, b"{no JSON")

    def swap(self, swaps: Sequence[Swap]) -> list[bool]:  # noqa: ARG002
        raise ValueError("what is that?")

    def put(self, key: str, value: bytes, ttl: float) -> None: ...

    def delete(self, key: str) -> bool:  # noqa: ARG002
        return False

    def check(self) -> str:
        return "?"

    def close(self) -> None: ...


async def test_a_broken_backend_does_not_hang_callers(caplog: pytest.LogCaptureFixture) -> None:
    values = SharedValues()
    values.use(GuardedBackend(Broken(), silent))
    await values.refresh({"n/1": DAY})
    assert values.get("n/1") is None
    with pytest.raises(Unavailable):
        await values.commit("n/1", add(1), DAY)
    assert "what is that?" in caplog.text
    values.close()


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_values_in_memory_expire_and_the_least_recently_used_are_evicted(clock: Clock) -> None:
    values = Values(now=clock)
    values.update("a/1", add(1), 100)
    clock.time += 99
    assert values.get("a/1") == 1
    clock.time += 99
    assert values.get("a/1") == 1
    clock.time += 100
    assert values.get("a/1") is None
    values.update("used/1", add(1), 100)
    for number in range(MAX_KEYS + 1):
        values.update(f"a/{number}", add(1), 100)
    assert values.get("a/0") is None
    assert values.get("a/1") == 1
    assert values.get("used/1") == 1, "each kind of key has its own limit"


changes = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers()))


@given(changes)
def test_values_in_memory_are_a_map(steps: list[tuple[str, int | None]]) -> None:
    values, model = Values(), dict[str, int]()
    for key, value in steps:
        values.update(f"x/{key}", set_to(value), 100)
        if value is None:
            model.pop(key, None)
        else:
            model[key] = value
    assert {key: values.get(f"x/{key}") for key in "abc"} == {key: model.get(key) for key in "abc"}
