"""Shared places: nobody gets all of them."""

from hypothesis import given
from hypothesis import strategies as st

from codex_transform.people.fair_share import FairShare


def fill(places: FairShare, holder: str) -> int:
    while places.take(holder):
        pass
    return places.held(holder)


def test_whoever_comes_later_gets_some() -> None:
    places = FairShare(500)
    assert [fill(places, name) for name in "abc"] == [250, 125, 63]
    places.release("a")
    assert places.take("d")


def test_several_that_take_in_turn_get_the_same() -> None:
    places = FairShare(500)
    for _ in range(500):
        for name in "ab":
            places.take(name)
    assert {places.held(name) for name in "ab"} <= {166, 167}


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans())))
def test_no_more_are_held_than_there_are_and_one_without_any_gets_a_free_one(steps: list[tuple[str, bool]]) -> None:
    places, held = FairShare(6), dict.fromkeys("abcde", 0)
    for holder, takes in steps:
        free = 6 - sum(held.values())
        if takes and places.take(holder):
            held[holder] += 1
        elif takes:
            assert held[holder] >= free
        elif held[holder]:
            places.release(holder)
            held[holder] -= 1
        assert sum(held.values()) <= 6
        assert all(places.held(name) == number for name, number in held.items())
