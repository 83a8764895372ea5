"""What a person may still send: exact for requests, however many come at once, and by reservation for tokens."""

from datetime import datetime

import pytest

from codex_transform.errors import ApiError
from codex_transform.people.limiter import RESERVED_FOR, Limiter
from codex_transform.people.person import Limits, Person, new_person

NOON = datetime(2026, 11, 28, 12).timestamp()  # noqa: DTZ001 - days are this machine's


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


async def test_requests_a_minute(limiter: Limiter, clock: Clock) -> None:
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
    # One who has sent more before the limit was lowered waits until enough of them are a minute old.
    assert (await refused(limiter, alice.model_copy(update={"requests_per_minute": 1}))).retry_after == 60


async def test_five_hundred_at_once() -> None:
    limiter, alice, granted = Limiter(), person(requests_per_minute=20, tokens_per_day=10_000), 0
    for _ in range(500):
        try:
            await limiter.admit(alice, 1_000)
            granted += 1
        except ApiError:
            pass
    assert granted == 10


async def test_tokens_of_a_day_and_a_month(limiter: Limiter, clock: Clock) -> None:
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


async def test_what_is_reserved_counts_until_it_is_settled(limiter: Limiter) -> None:
    alice = person(tokens_per_day=100)
    first = await limiter.admit(alice, 100)
    assert (await refused(limiter, alice)).retry_after == 10
    limiter.charge(first, 30)
    limiter.charge(first, 1000)  # it has been
    second = await limiter.admit(alice, 60)
    limiter.charge(second, None)
    assert (await limiter.admit(alice, 5)).tokens == 5
    assert await refused(limiter, person(tokens_per_day=90))


async def test_what_a_killed_proxy_has_reserved_does_not_count_for_ever(limiter: Limiter, clock: Clock) -> None:
    alice = person(tokens_per_day=100)
    late = await limiter.admit(alice, 100)
    clock.now += RESERVED_FOR
    await limiter.admit(alice, 100)
    limiter.charge(late, 70)
    assert await refused(limiter, alice)
    clock.now += RESERVED_FOR
    limiter.charge(await limiter.admit(alice, 1), 30)
    assert "100 tokens a day" in (await refused(limiter, alice)).message


async def test_what_was_used_before(limiter: Limiter) -> None:
    limiter.begin_with("alice", requests=2, day=40, month=90)
    assert await refused(limiter, person(requests_per_minute=2))
    assert await refused(limiter, person(tokens_per_day=40))
    assert await refused(limiter, person(tokens_per_month=90))
    await limiter.admit(person(requests_per_minute=3, tokens_per_day=41, tokens_per_month=91))
