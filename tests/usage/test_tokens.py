"""Token counts of a response, whatever its usage holds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.usage.record import Tokens
from codex_transform.usage.tokens import parse_usage, percentile

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
COUNTS = st.integers(-2, 100) | JSON


def details(name: str) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional={name: COUNTS}) | JSON


USAGE = st.fixed_dictionaries(
    {},
    optional={
        "input_tokens": COUNTS,
        "output_tokens": COUNTS,
        "input_tokens_details": details("cached_tokens"),
        "output_tokens_details": details("reasoning_tokens"),
    },
)


def test_the_counts_of_a_response() -> None:
    assert parse_usage(
        {
            "input_tokens": 12_345,
            "input_tokens_details": {"cached_tokens": 11_264},
            "output_tokens": 480,
            "output_tokens_details": {"reasoning_tokens": 320},
            "total_tokens": 12_825,
        }
    ) == Tokens(input=12_345, cached=11_264, output=480, reasoning=320)


@pytest.mark.parametrize(
    ("given_usage", "expected"),
    [
        (None, None),
        ({}, None),
        ([], None),
        ("12", None),
        ({"total_tokens": 5}, None),
        ({"input_tokens": "12", "output_tokens": None}, None),
        ({"input_tokens": 12}, Tokens(input=12)),
        ({"output_tokens": 12, "output_tokens_details": None}, Tokens(output=12)),
        ({"input_tokens": True, "output_tokens": 3}, Tokens(output=3)),
        ({"input_tokens": -4, "output_tokens": 3}, Tokens(output=3)),
        ({"input_tokens": 10**30, "output_tokens": 3}, Tokens(output=3)),
        ({"input_tokens": 7, "input_tokens_details": {"cached_tokens": 9}}, Tokens(input=7, cached=7)),
        ({"input_tokens": 7, "input_tokens_details": [1]}, Tokens(input=7)),
    ],
)
def test_implausible_counts_are_ignored(given_usage: Any, expected: Tokens | None) -> None:
    assert parse_usage(given_usage) == expected


@given(USAGE | JSON)
def test_counts_of_arbitrary_usage_are_within_bounds(given_usage: Any) -> None:
    found = parse_usage(given_usage)
    if found is not None:
        assert 0 <= found.cached <= found.input < 2**62
        assert 0 <= found.reasoning <= found.output < 2**62


def test_percentiles_of_known_values() -> None:
    assert percentile([], 50) is None
    assert percentile([3.0], 95) == 3.0
    hundred = [float(number) for number in range(100, 0, -1)]
    assert percentile(hundred, 50) == 50
    assert percentile(hundred, 95) == 95
    assert percentile(hundred, 7) == 7
    assert percentile(hundred, 0) == 1
    assert percentile(hundred, 100) == 100


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
