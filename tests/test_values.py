"""Keys of small values: the same for the same parts, however long they are, and cheap to keep."""

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from codex_transform.values import key_of


@given(st.lists(st.text(max_size=5), max_size=3), st.lists(st.text(max_size=5), max_size=3))
def test_other_parts_have_another_key_of_the_same_kind(one: list[str], other: list[str]) -> None:
    keys = [key_of("pin", *parts, "x" * longer) for parts in (one, other) for longer in (1, 100_000)]
    assert keys == [key_of("pin", *parts, "x" * longer) for parts in (one, other) for longer in (1, 100_000)]
    assert all(key.startswith("pin/") and len(key) == 36 for key in keys)
    if "\0" not in "".join(one + other):
        assert len(set(keys)) == (2 if one == other else 4)


def test_long_parts_are_not_kept() -> None:
    tracemalloc.start()
    try:
        for number in range(50):
            key_of("pin", f"{number}" + "x" * 200_000)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
