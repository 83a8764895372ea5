"""How things are written: within the width, within bounds, and without what a terminal would obey."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.inspect.text import WIDTH, brief, columns, count, cut, plain, pretty, section, size, table, wrapped

any_text = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=()), max_size=300)


@given(any_text)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = plain(text)
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Cs") and each != "\n"]
    assert not set(shown) & set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\u2066\u2067\u2068\u2069\ufeff")
    shown.encode()


def test_line_breaks_stay_and_tabs_become_spaces() -> None:
    assert plain("a\r\nb\rc\nd\te") == "a\nb\nc\nd   e"


@given(any_text, st.integers(1, 50))
def test_what_is_cut_says_how_much(text: str, longest: int) -> None:
    shown = cut(text, longest)
    if len(text) <= longest:
        assert shown == plain(text)
    else:
        assert shown == f"{plain(text[:longest])}\n[cut: {len(text) - longest:,} more characters]"


@given(any_text, st.integers(2, 60))
def test_a_beginning_is_one_line_within_its_length(text: str, longest: int) -> None:
    assert len(brief(text, longest)) <= longest
    assert "\n" not in brief(text, longest)


def test_a_beginning_of_much_is_marked() -> None:
    assert brief("a b", 10) == "a b"
    assert brief("word " * 100, 12) == "word word w…"
    assert brief(" " * 100 + "word", 12) == "…"


@given(any_text, st.sampled_from(["", "    "]), st.sampled_from([None, "+ ", "name          "]))
def test_wrapped_text_keeps_to_the_width_and_its_words(text: str, indent: str, first: str | None) -> None:
    lines = wrapped(text, indent, first)
    assert all(columns(line) <= WIDTH for line in lines)
    assert "".join("".join(lines).split()).endswith("".join(plain(text).split())[len((first or "").strip()) :])


def test_lines_break_between_words_where_there_are_some() -> None:
    assert wrapped("x" * 60 + " " + "y" * 60) == ["x" * 60, "y" * 60]
    assert [len(line) for line in wrapped("z" * 200)] == [WIDTH, WIDTH, 200 - 2 * WIDTH]
    assert [len(line) for line in wrapped("汉" * 50)] == [WIDTH // 2, 50 - WIDTH // 2]
    assert wrapped("  - point\n\n    code") == ["  - point", "", "    code"]


@pytest.mark.parametrize(
    ("number", "shown"), [(1, "1 byte"), (999, "999 bytes"), (12_345, "12.3 kB"), (4_100_000, "4.1 MB")]
)
def test_sizes(number: int, shown: str) -> None:
    assert size(number) == shown


def test_counts() -> None:
    assert [count(number, "item") for number in (0, 1, 12_345)] == ["0 items", "1 item", "12,345 items"]


def test_a_section_is_headed_and_a_table_leaves_out_what_says_nothing() -> None:
    blank, heading, body = section("tools", ["bash"])
    assert (blank, body) == ("", "bash")
    assert heading.startswith("── tools ──")
    assert columns(heading) == WIDTH
    assert list(table([("Model", "m"), ("Cache", ""), ("Time", ["a", "", "b"])])) == [
        "Model         m",
        "Time          a · b",
    ]


def test_json_is_set_out_and_texts_keep_their_line_breaks() -> None:
    lines = pretty({"path": "a.py", "text": "def f():\n    pass\n", "more": [1, None, {}]}).split("\n")
    assert lines[:3] == ["{", '  "path": "a.py",', '  "text": """']
    assert lines[3:7] == ["def f():", "    pass", "", '  """,']
    assert lines[7:] == ['  "more": [', "    1,", "    null,", "    {}", "  ]", "}"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_any_json_is_set_out(value: object) -> None:
    assert pretty(value)


def test_deep_json_does_no_harm() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert pretty(deep) == "[nested too deeply to be shown]"
