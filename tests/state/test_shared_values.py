"""What several processes know: each change counts once, and all learn of it; alone, with SQLite, and with Redis."""

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
from codex_transform.people.person import Limits, new_person
from codex_transform.state.backend import Backend, GuardedBackend, Swap
from codex_transform.state.shared_values import SharedValues
from codex_transform.values import MAX_KEYS, Unavailable, Values

Join = Callable[[], SharedValues]
DAY = 24 * 3600.0


def silent(_reason: Unavailable | None) -> None:
    """Nobody is told."""


@pytest.fixture
async def join(connect: Callable[[], Backend]) -> AsyncIterator[Join]:
    """Has one more process share the values."""
    joined: list[SharedValues] = []

    def go() -> SharedValues:
        values = SharedValues()
        values.use(GuardedBackend(connect(), silent))
        joined.append(values)
        return values

    yield go
    for values in joined:
        values.close()


def add(number: int) -> Callable[[Any], Any]:
    return lambda before: (before or 0) + number


def first(text: str) -> Callable[[Any], Any]:
    return lambda before: before or text


def to(value: object) -> Callable[[Any], Any]:
    return lambda _: value


async def written(values: SharedValues) -> None:
    """Waits until what was changed has been shared."""
    await values.refresh({"none/of/interest": DAY})


async def test_what_one_changes_the_other_learns(join: Join) -> None:
    one, other = join(), join()
    one.update("a/1", lambda _: {"x": [1, "é", None]}, DAY)
    assert one.get("a/1") == {"x": [1, "é", None]}, "at once"
    await written(one)
    assert other.get("a/1") is None
    await other.refresh({"a/1": DAY, "a/2": DAY})
    assert other.get("a/1") == {"x": [1, "é", None]}
    other.update("a/1", lambda _: None, DAY)
    await written(other)
    await one.refresh({"a/1": DAY})
    assert one.get("a/1") is None


async def test_the_first_one_wins_where_that_is_the_change(join: Join) -> None:
    one, other = join(), join()
    for values, text in ((one, "one"), (other, "other")):
        values.update("pin/c", first(text), DAY)
        await written(values)
    assert one.get("pin/c") == other.get("pin/c") == "one"


async def test_every_change_counts_once(join: Join) -> None:
    all_of_them = [join() for _ in range(3)]

    async def count(values: SharedValues) -> None:
        for number in range(40):
            if number % 2:
                values.update("n/1", add(1), DAY)
            else:
                await values.commit("n/1", add(1), DAY)

    await asyncio.gather(*(count(values) for values in all_of_them for _ in range(3)))
    for values in all_of_them:
        await written(values)
    await all_of_them[0].refresh({"n/1": DAY})
    assert all_of_them[0].get("n/1") == 3 * 3 * 40


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

    async def call(number: int, tokens: int) -> bool:
        try:
            await limiters[number % 2].admit(alice, tokens)
        except ApiError as error:
            return error.status != 429
        return True

    assert sum(await asyncio.gather(*(call(number, 1000) for number in range(500)))) == 10
    bob = new_person("bob", Limits(requests_per_minute=20))[0]
    alice = bob
    assert sum(await asyncio.gather(*(call(number, 0) for number in range(500)))) == 20


async def test_while_it_is_out_of_reach_what_is_known_goes_on_and_is_caught_up_on(tmp_path: Path) -> None:
    from codex_transform.state.redis_backend import RedisBackend

    told: list[Unavailable | None] = []
    with redis_server(tmp_path / "redis") as server:
        values = SharedValues()
        values.use(GuardedBackend(RedisBackend(server.state_url), told.append))
        await values.commit("n/1", add(1), DAY)
        server.stop()
        values.update("n/1", add(10), DAY)
        await values.refresh({"n/1": DAY})
        assert values.get("n/1") == 11
        with pytest.raises(Unavailable):
            await values.commit("n/1", add(100), DAY)
        values.update("n/1", add(1000), DAY)
        assert len(told) == 1
        server.start()
        # Nobody asks: it finds that out by itself.
        for _ in range(500):
            if told[1:]:
                break
            await asyncio.sleep(0.02)
        assert told[1:] == [None]
        other = SharedValues()
        other.use(GuardedBackend(RedisBackend(server.state_url), silent))
        await written(values)
        await other.refresh({"n/1": DAY})
        assert other.get("n/1") == values.get("n/1") == 1011
        values.close()
        other.close()


class Broken:
    """A backend of another make, whose answers make no sense."""

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


async def test_nothing_waits_for_ever(caplog: pytest.LogCaptureFixture) -> None:
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


def test_alone_values_end_after_their_last_use_and_the_least_used_make_room(clock: Clock) -> None:
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
    assert values.get("used/1") == 1, "it is of another kind"


changes = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers()))


@given(changes)
def test_alone_they_are_a_map(steps: list[tuple[str, int | None]]) -> None:
    values, model = Values(), dict[str, int]()
    for key, value in steps:
        values.update(f"x/{key}", to(value), 100)
        if value is None:
            model.pop(key, None)
        else:
            model[key] = value
    assert {key: values.get(f"x/{key}") for key in "abc"} == {key: model.get(key) for key in "abc"}
