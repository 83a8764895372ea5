"""Counts out of an answer, whatever it holds, and numbers as people read them."""

import doctest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.usage import tokens as usage_tokens
from codex_transform.usage.record import Tokens
from codex_transform.usage.tokens import count, percentile, period, seconds, share, tokens

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["cached_tokens"]), inner),
    max_leaves=10,
)


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(usage_tokens).attempted > 3
    assert doctest.testmod(usage_tokens).failed == 0


def test_the_counts_of_an_answer() -> None:
    assert tokens(
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
def test_what_makes_no_sense_is_not_counted(given_usage: Any, expected: Tokens | None) -> None:
    assert tokens(given_usage) == expected


@given(
    st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"), JSON
        ),
    )
    | JSON
)
def test_counts_are_within_bounds_whatever_comes(given_usage: Any) -> None:
    found = tokens(given_usage)
    if found is not None:
        assert 0 <= found.cached <= found.input < 2**62
        assert 0 <= found.reasoning <= found.output < 2**62


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1.0k"), (12_345, "12.3k"), (99_949, "99.9k"), (99_950, "100k"),
        (999_499, "999k"), (999_500, "1.0M"), (1_234_567, "1.2M"), (123_456_789, "123M"), (5 * 10**12, "5000G"),
    ],
)  # fmt: skip
def test_counts_for_people(number: int, text: str) -> None:
    assert count(number) == text


@pytest.mark.parametrize(("part", "text"), [(0, "0%"), (0.5, "50%"), (0.996, "99%"), (1, "100%"), (0.004, "0%")])
def test_all_is_only_said_of_all(part: float, text: str) -> None:
    assert share(part) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (119.4, "119 s"), (119.6, "2 min 0 s"), (3725, "62 min 5 s")],
)
def test_waits_for_people(duration: float, text: str) -> None:
    assert seconds(duration) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0, "0 seconds"), (1.9, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7199, "119 minutes"),
     (7200, "2 hours"), (172_800, "2 days")],
)  # fmt: skip
def test_periods_for_people(duration: float, text: str) -> None:
    assert period(duration) == text


def test_percentiles() -> None:
    assert percentile([], 50) is None
    assert percentile([3.0], 95) == 3.0
    hundred = [float(number) for number in range(100, 0, -1)]
    assert percentile(hundred, 50) == 50
    assert percentile(hundred, 95) == 95
    assert percentile(hundred, 7) == 7
    assert percentile(hundred, 0) == 1
    assert percentile(hundred, 100) == 100


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_least_value_that_enough_stay_within(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)
    assert sum(value < found for value in values) * 100 < percent * len(values)
