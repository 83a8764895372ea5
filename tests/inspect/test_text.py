"""Text on pages: within the width, within limits, and without control characters."""

from hypothesis import given
from hypothesis import strategies as st

from codex_transform.inspect.text import WIDTH, pretty, section, table, wrapped
from codex_transform.text import display_width, sanitize

short_text = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=()), max_size=60)
any_text = st.builds(lambda text, times: text * times, short_text, st.integers(1, 8))


@given(any_text, st.sampled_from(["", "    "]), st.sampled_from([None, "+ ", "name          "]))
def test_wrapped_text_fits_the_width_and_keeps_its_words(text: str, indent: str, first: str | None) -> None:
    lines = wrapped(text, indent, first)
    assert all(display_width(line) <= WIDTH for line in lines)
    assert "".join("".join(lines).split()) == "".join(f"{first or ''}{sanitize(text)}".split())


def test_lines_break_between_words_if_possible() -> None:
    assert wrapped("x" * 60 + " " + "y" * 60) == ["x" * 60, "y" * 60]
    assert [len(line) for line in wrapped("z" * 200)] == [WIDTH, WIDTH, 200 - 2 * WIDTH]
    assert [len(line) for line in wrapped("汉" * 50)] == [WIDTH // 2, 50 - WIDTH // 2]
    assert wrapped("  - point\n\n    code") == ["  - point", "", "    code"]


def test_marks_that_pile_up_are_wrapped_at_once() -> None:
    """Each of them changes the width of all before it: one by one, these would take a minute."""
    text = "\u263a\ufe0f" * 74 + "\u0301" * 100_000
    lines = wrapped(text)
    assert "".join(lines) == text
    assert max(map(display_width, lines)) <= WIDTH


def test_a_section_has_a_heading_and_a_table_omits_empty_rows() -> None:
    blank, heading, body = section("tools", ["bash"])
    assert (blank, body) == ("", "bash")
    assert heading.startswith("── tools ──")
    assert display_width(heading) == WIDTH
    assert list(table([("Model", "m"), ("Cache", ""), ("Time", ["a", "", "b"])])) == [
        "Model         m",
        "Time          a · b",
    ]


def test_json_is_indented_and_strings_keep_their_line_breaks() -> None:
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
def test_any_json_is_indented(value: object) -> None:
    assert pretty(value)


def test_json_that_is_nested_too_deeply_is_not_shown() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert pretty(deep) == "[nested too deeply to be shown]"
