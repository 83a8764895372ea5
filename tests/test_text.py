"""Text and numbers for people."""

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


def test_examples_in_the_docstrings_are_correct() -> None:
    assert doctest.testmod(text_module).attempted > 3
    assert doctest.testmod(text_module).failed == 0


@given(any_text)
def test_control_characters_are_removed(text: str) -> None:
    result = sanitize(text)
    assert not [each for each in result if unicodedata.category(each) in ("Cc", "Cs") and each != "\n"]
    assert not set(result) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\u2066\u2067\u2068\u2069\ufeff")
    result.encode()


def test_line_breaks_are_kept_and_tabs_become_spaces() -> None:
    assert sanitize("a\r\nb\rc\nd\te") == "a\nb\nc\nd   e"


@given(any_text, st.integers(1, 50))
def test_truncated_text_says_how_much_is_missing(text: str, limit: int) -> None:
    result = truncate(text, limit)
    if len(text) <= limit:
        assert result == sanitize(text)
    else:
        assert result == f"{sanitize(text[:limit])}\n[cut: {len(text) - limit:,} more characters]"


@given(any_text, st.integers(2, 60))
def test_one_line_stays_within_its_length(text: str, limit: int) -> None:
    assert len(one_line(text, limit)) <= limit
    assert "\n" not in one_line(text, limit)


def test_a_truncated_line_ends_in_an_ellipsis() -> None:
    assert one_line("a b", 10) == "a b"
    assert one_line("word " * 100, 12) == "word word w…"
    assert one_line(" " * 100 + "word", 12) == "…"


@pytest.mark.parametrize(
    ("number", "result"), [(1, "1 byte"), (999, "999 bytes"), (12_345, "12.3 kB"), (4_100_000, "4.1 MB")]
)
def test_format_bytes(number: int, result: str) -> None:
    assert format_bytes(number) == result


def test_format_count() -> None:
    assert [format_count(number, "item") for number in (0, 1, 12_345)] == ["0 items", "1 item", "12,345 items"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (999, "999"), (1000, "1.0k"), (12_345, "12.3k"), (99_949, "99.9k"), (99_950, "100k"),
        (999_499, "999k"), (999_500, "1.0M"), (1_234_567, "1.2M"), (123_456_789, "123M"), (5 * 10**12, "5000G"),
    ],
)  # fmt: skip
def test_format_tokens(number: int, text: str) -> None:
    assert format_tokens(number) == text


@pytest.mark.parametrize(("part", "text"), [(0, "0%"), (0.5, "50%"), (0.996, "99%"), (1, "100%"), (0.004, "0%")])
def test_only_the_whole_is_100_percent(part: float, text: str) -> None:
    assert format_percent(part) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (119.4, "119 s"), (119.6, "2 min 0 s"), (3725, "62 min 5 s")],
)
def test_format_latency(duration: float, text: str) -> None:
    assert format_latency(duration) == text


@pytest.mark.parametrize(
    ("duration", "text"),
    [(0, "0 seconds"), (1.9, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7199, "119 minutes"),
     (7200, "2 hours"), (172_800, "2 days")],
)  # fmt: skip
def test_format_duration(duration: float, text: str) -> None:
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("会话", 4), ("e\u0301", 1), ("\U0001f680", 2), ("\u200b", 0), ("a\x1bb\u4f1a", 4)]
)
def test_the_display_width_in_a_terminal(text: str, width: int) -> None:
    """A combining mark takes no column, an emoji two, a control character none."""
    assert display_width(text) == width


def test_one_line_is_printable() -> None:
    assert one_line("a\tb\x1b[0m\u202ec\nd") == "a b [0m c d"


def test_wide_characters_keep_table_columns_aligned() -> None:
    lines = format_table(["name", "calls"], [["会话", "1"], ["ab", "23"]], {1})
    assert lines == ["name  calls", "会话      1", "ab       23"]
    assert {display_width(line) for line in lines} == {11}
