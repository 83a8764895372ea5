"""Which of several endpoints a call is sent to."""

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codex_transform.endpoint import pool as endpoint_pool
from codex_transform.endpoint.pool import DEFAULT_LIMIT, FIRST_BREAK, LONGEST_BREAK, MAX_FAULTS, PROBE, Choice, Target
from codex_transform.endpoint.url import parse


class Clock:
    time = 1000.0

    def __call__(self) -> float:
        return self.time


def target(name: str, **more: object) -> Target:
    return Target(name, parse(f"https://{name}.example"), f"sk-{name}", **more)  # type: ignore[arg-type]


class Pool(endpoint_pool.Pool):
    """A pool that returns chosen targets without their reasons, and states as text."""

    last: Choice | None = None

    def choose(self, *arguments: Any, **more: Any) -> Any:
        self.last = super().choose(*arguments, **more)
        return self.last and self.last.target

    def state(self, target: Target) -> Any:
        return str(super().state(target))


A, B, BACKUP = target("a"), target("b"), target("backup", priority=1)
ALL = (A, B, BACKUP)


def test_a_conversation_keeps_its_endpoint_and_new_ones_are_spread_by_weight() -> None:
    heavy, light = target("heavy", weight=3), target("light")
    pool = Pool()
    chosen = {f"c{number}": pool.choose((heavy, light), f"c{number}", "m") for number in range(4000)}
    share = Counter(each.name for each in chosen.values() if each)
    assert 2.5 < share["heavy"] / share["light"] < 3.6
    other_proxy = Pool()
    assert all(other_proxy.choose((light, heavy), name, "m") == target for name, target in chosen.items())


def test_the_lowest_priority_is_used_first() -> None:
    pool = Pool()
    assert {pool.choose(ALL, f"c{number}", "m") for number in range(50)} == {A, B}


def test_an_endpoint_at_its_limit_is_not_used_until_the_reset() -> None:
    clock = Clock()
    pool = Pool(now=clock)
    home = pool.choose(ALL, "c", "m")
    assert home
    pool.limited(home, 120, "usage limit")
    other = pool.choose(ALL, "c", "m")
    assert other
    assert {home, other} == {A, B}
    assert pool.state(home) == "limited for 120 s: usage limit"
    clock.time += 121
    assert pool.choose(ALL, "c", "m") == other, "the conversation's cache is there by now"
    assert pool.state(home) == "up"
    pool.limited(A, None, "x")
    clock.time += DEFAULT_LIMIT + 1
    assert pool.state(A) == "up"


def test_a_call_that_is_accepted_despite_a_limit_ends_it() -> None:
    pool = Pool(now=Clock())
    pool.limited(A, 3600, "usage limit")
    pool.succeeded(A)
    assert pool.state(A) == "limited for 3600 s: usage limit", "that call was sent before"
    pool.succeeded(A, despite_limit=True)
    assert pool.state(A) == "up"


def test_the_next_priority_is_used_once_all_before_it_are_at_their_limits() -> None:
    pool = Pool(now=Clock())
    for each in (A, B):
        pool.limited(each, 60, "limit")
    assert pool.choose(ALL, "c", "m") == BACKUP
    pool.limited(BACKUP, 10, "limit")
    assert pool.choose(ALL, "c", "m") == BACKUP, "its limit ends first, so its error is shown"
    assert pool.choose(ALL, "c", "m", tried=["backup"]) is None


def test_failures_open_the_circuit_and_one_call_tries_the_endpoint() -> None:
    clock = Clock()
    pool = Pool(now=clock)
    for _ in range(MAX_FAULTS):
        assert pool.state(A) == "up"
        pool.failed(A, "HTTP 500")
    assert pool.state(A) == f"down for {FIRST_BREAK:.0f} s: HTTP 500"
    assert {pool.choose((A, BACKUP), f"c{number}", "m") for number in range(9)} == {BACKUP}
    clock.time += FIRST_BREAK
    assert pool.choose((A, BACKUP), "not sent", "m") == A
    assert pool.choose((A, BACKUP), "new", "m") == A
    pool.sending(A)
    assert str(pool.state(A)) == "half-open: a call is trying it"
    assert pool.choose((A, BACKUP), "another", "m") == BACKUP
    pool.failed(A, "HTTP 500")
    assert pool.state(A) == f"down for {2 * FIRST_BREAK:.0f} s: HTTP 500"
    clock.time += 2 * FIRST_BREAK
    assert pool.choose((A, BACKUP), "newer", "m") == A
    pool.succeeded(A)
    assert {pool.choose((A, BACKUP), f"d{number}", "m") for number in range(9)} == {A}


def test_a_trial_call_that_never_ends_does_not_block_the_next() -> None:
    clock = Clock()
    pool = Pool(now=clock)
    for _ in range(MAX_FAULTS):
        pool.failed(A, "x")
    clock.time += FIRST_BREAK
    pool.sending(A)
    assert pool.choose((A, BACKUP), "one", "m") == BACKUP
    clock.time += PROBE
    assert pool.choose((A, BACKUP), "two", "m") == A


def test_the_length_of_a_break_is_bounded() -> None:
    clock = Clock()
    pool = Pool(now=clock)
    for _ in range(50):
        pool.failed(A, "x")
    assert pool.state(A) == f"down for {LONGEST_BREAK:.0f} s: x"


def test_a_call_goes_to_an_endpoint_with_its_model() -> None:
    only = target("only", models=("gpt-5.2",), priority=5)
    pool = Pool()
    assert {pool.choose((A, only), f"c{number}", "gpt-5.2") for number in range(5)} == {A}
    small = target("small", models=("gpt-5.1",))
    assert pool.choose((small, only), "c", "gpt-5.2") == only
    assert pool.choose((small,), "d", "gpt-5.2") == small, (
        "no endpoint lists the model: the one it is sent to refuses it"
    )


targets = st.sampled_from(ALL)
events = st.tuples(st.sampled_from(["limited", "failed", "succeeded", "wait"]), targets, st.integers(0, 400))


@given(st.lists(events, max_size=30))
def test_there_is_always_an_endpoint_for_a_call(history: list[tuple[str, Target, int]]) -> None:
    clock = Clock()
    pool = Pool(now=clock)
    for kind, target, seconds in history:
        if kind == "limited":
            pool.limited(target, seconds, "x")
        elif kind == "failed":
            pool.failed(target, "x")
        elif kind == "succeeded":
            pool.succeeded(target)
        else:
            clock.time += seconds
        assert pool.choose(ALL, "c", "m") in ALL
    assert "sk-" not in repr(ALL)


def test_a_choice_has_its_reason() -> None:
    clock = Clock()
    pool = Pool(now=clock)

    def reason(targets: tuple[Target, ...], conversation: str | None, **more: Any) -> str:
        pool.choose(targets, conversation, "m", **more)
        assert pool.last
        return pool.last.reason

    assert reason((A,), "c") == ""
    assert reason((A, target("other", models=("gpt-5.2",))), "b") == "no other endpoint has the model"
    assert reason((A, B), "d") == "new conversation, chosen by weight from 2 endpoints"
    assert reason((A, B), "d") == "this conversation already uses it"
    assert reason((A, BACKUP), "e") == "lowest priority number of the endpoints that are up"
    assert reason((A, BACKUP), "e", tried=["a"]) == "after a failed"
    pool.limited(A, 30, "usage limit")
    assert reason((A, BACKUP), "f") == "no endpoint with a lower priority number is up"
    assert reason((A, B), "c") == "this conversation used a, which is limited for 30 s: usage limit"
    pool.limited(B, 60, "usage limit")
    assert reason((A, B), "g") == "no endpoint is up; this one will be up first"


def test_reported_limits_have_an_age() -> None:
    clock = Clock()
    pool = Pool(now=clock)
    assert pool.limits_age(A) is None
    pool.report(A, {"x-codex-primary-used-percent": "42"})
    clock.time += 5
    assert (pool.limits(A), pool.limits_age(A)) == ({"x-codex-primary-used-percent": "42"}, 5)
