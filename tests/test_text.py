"""Texts and numbers as people read them."""

import doctest
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform import text as text_module
from codex_transform.text import (
    display_width,
    format_bytes,
    format_count,
    format_duration,
    format_latency,
    format_percent,
    format_table,
    format_tokens,
    one_line,
    sanitize,
    truncate,
)

any_text = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=()), max_size=300)


def test_the_examples_in_the_docstrings() -> None:
    assert doctest.testmod(text_module).attempted > 3
    assert doctest.testmod(text_module).failed == 0


@given(any_text)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = sanitize(text)
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Cs") and each != "\n"]
    assert not set(shown) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\u2066\u2067\u2068\u2069\ufeff")
    shown.encode()


def test_line_breaks_stay_and_tabs_become_spaces() -> None:
    assert sanitize("a\r\nb\rc\nd\te") == "a\nb\nc\nd   e"


@given(any_text, st.integers(1, 50))
def test_what_is_cut_says_how_much(text: str, longest: int) -> None:
    shown = truncate(text, longest)
    if len(text) <= longest:
        assert shown == sanitize(text)
    else:
        assert shown == f"{sanitize(text[:longest])}\n[cut: {len(text) - longest:,} more characters]"


@given(any_text, st.integers(2, 60))
def test_a_beginning_is_one_line_within_its_length(text: str, longest: int) -> None:
    assert len(one_line(text, longest)) <= longest
    assert "\n" not in one_line(text, longest)


def test_a_beginning_of_much_is_marked() -> None:
    assert one_line("a b", 10) == "a b"
    assert one_line("word " * 100, 12) == "word word w…"
    assert one_line(" " * 100 + "word", 12) == "…"


@pytest.mark.parametrize(
    ("number", "shown"), [(1, "1 byte"), (999, "999 bytes"), (12_345, "12.3 kB"), (4_100_000, "4.1 MB")]
)
def test_sizes(number: int, shown: str) -> None:
    assert format_bytes(number) == shown


def test_counts() -> None:
    assert [format_count(number, "item") for number in (0, 1, 12_345)] == ["0 items", "1 item", "12,345 items"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1.0k"), (12_345, "12.3k"), (99_949, "99.9k"), (99_950, "100k"),
        (999_499, "999k"), (999_500, "1.0M"), (1_234_567, "1.2M"), (123_456_789, "123M"), (5 * 10**12, "5000G"),
    ],
)  # fmt: skip
def test_counts_for_people(number: int, text: str) -> None:
    assert format_tokens(number) == text


@pytest.mark.parametrize(("part", "text"), [(0, "0%"), (0.5, "50%"), (0.996, "99%"), (1, "100%"), (0.004, "0%")])
def test_all_is_only_said_of_all(part: float, text: str) -> None:
    assert format_percent(part) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (119.4, "119 s"), (119.6, "2 min 0 s"), (3725, "62 min 5 s")],
)
def test_waits_for_people(duration: float, text: str) -> None:
    assert format_latency(duration) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0, "0 seconds"), (1.9, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7199, "119 minutes"),
     (7200, "2 hours"), (172_800, "2 days")],
)  # fmt: skip
def test_periods_for_people(duration: float, text: str) -> None:
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("会话", 4), ("e\u0301", 1), ("\U0001f680", 2), ("\u200b", 0), ("a\x1bb\u4f1a", 4)]
)
def test_columns_of_a_terminal(text: str, width: int) -> None:
    """A combining mark takes none, an emoji two, a control character none."""
    assert display_width(text) == width


def test_one_line_has_nothing_that_is_not_printable() -> None:
    assert one_line("a\tb\x1b[0m\u202ec\nd") == "a b [0m c d"


def test_wide_characters_keep_their_columns_straight() -> None:
    lines = format_table(["name", "calls"], [["会话", "1"], ["ab", "23"]], {1})
    assert lines == ["name  calls", "会话      1", "ab       23"]
    assert {display_width(line) for line in lines} == {11}
