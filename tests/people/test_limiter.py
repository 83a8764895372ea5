"""What a person may still send: requests are counted exactly, even at once, and tokens by reservation."""

from datetime import datetime

import pytest

from codex_transform.errors import ApiError
from codex_transform.people.limiter import RESERVED_FOR, Limiter
from codex_transform.people.person import Limits, Person, new_person

NOON = datetime(2026, 11, 28, 12).timestamp()  # noqa: DTZ001 - days are in local time


class Clock:
    now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(now=clock)


def person(name: str = "alice", **limits: int) -> Person:
    return new_person(name, Limits.model_validate(limits))[0]


async def refused(limiter: Limiter, who: Person, tokens: int = 0) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await limiter.admit(who, tokens)
    assert caught.value.status == 429
    return caught.value


async def test_requests_per_minute(limiter: Limiter, clock: Clock) -> None:
    alice = person(requests_per_minute=3)
    for second in range(3):
        clock.now = NOON + second
        await limiter.admit(alice)
    error = await refused(limiter, alice)
    assert (error.code, error.retry_after) == ("rate_limit_exceeded", 58)
    assert "3 requests a minute" in error.message
    await limiter.admit(person("bob", requests_per_minute=3))
    clock.now = NOON + 60
    await limiter.admit(alice)
    assert (await refused(limiter, alice)).retry_after == 1
    # After the limit was lowered, a person waits until enough earlier requests are a minute old.
    assert (await refused(limiter, alice.model_copy(update={"requests_per_minute": 1}))).retry_after == 60


async def test_of_five_hundred_requests_only_those_within_the_limit_are_admitted() -> None:
    limiter, alice, admitted = Limiter(), person(requests_per_minute=20, tokens_per_day=10_000), 0
    for _ in range(500):
        try:
            await limiter.admit(alice, 1_000)
            admitted += 1
        except ApiError:
            pass
    assert admitted == 10


async def test_tokens_per_day_and_per_month(limiter: Limiter, clock: Clock) -> None:
    alice = person(tokens_per_day=100, tokens_per_month=150)
    limiter.charge(await limiter.admit(alice, 10), 100)
    error = await refused(limiter, alice)
    assert (error.code, error.retry_after) == ("insufficient_quota", 12 * 3600)
    assert "100 tokens a day" in error.message
    clock.now = NOON + 24 * 3600
    limiter.charge(await limiter.admit(alice, 10), 50)
    error = await refused(limiter, alice)
    assert "150 tokens a month" in error.message
    assert error.retry_after == 36 * 3600
    clock.now = datetime(2026, 12, 1).timestamp()  # noqa: DTZ001
    await limiter.admit(alice)


async def test_reserved_tokens_count_until_they_are_charged(limiter: Limiter) -> None:
    alice = person(tokens_per_day=100)
    first = await limiter.admit(alice, 100)
    assert (await refused(limiter, alice)).retry_after == 10
    limiter.charge(first, 30)
    limiter.charge(first, 1000)  # it has been charged already
    second = await limiter.admit(alice, 60)
    limiter.charge(second, None)
    assert (await limiter.admit(alice, 5)).tokens == 5
    assert await refused(limiter, person(tokens_per_day=90))


async def test_reservations_of_a_killed_proxy_expire(limiter: Limiter, clock: Clock) -> None:
    alice = person(tokens_per_day=100)
    late = await limiter.admit(alice, 100)
    clock.now += RESERVED_FOR
    await limiter.admit(alice, 100)
    limiter.charge(late, 70)
    assert await refused(limiter, alice)
    clock.now += RESERVED_FOR
    limiter.charge(await limiter.admit(alice, 1), 30)
    assert "100 tokens a day" in (await refused(limiter, alice)).message


async def test_earlier_use_counts(limiter: Limiter) -> None:
    limiter.begin_with("alice", requests=2, day=40, month=90)
    assert await refused(limiter, person(requests_per_minute=2))
    assert await refused(limiter, person(tokens_per_day=40))
    assert await refused(limiter, person(tokens_per_month=90))
    await limiter.admit(person(requests_per_minute=3, tokens_per_day=41, tokens_per_month=91))
