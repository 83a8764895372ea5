import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.jsonc import parser

TEXTS = st.text() | st.sampled_from(["//", "/* */", ",]", ",}", '"', "\\", "a\\", "// x\n", "{env:A}", "\ufeff"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5),
    max_leaves=20,
)
NOISE = ("", "", " ", "\n", "\r\n", "\t", '// , ] } " /* \n', '/* , ] } // " \n */', "/**/", "/***/", "/*/ */")


def tokens(value: object, trailing: random.Random) -> list[str]:
    """A value as JSON tokens, sometimes with a comma after the last item."""
    if isinstance(value, dict):
        items = [[json.dumps(key), ":", *tokens(item, trailing)] for key, item in value.items()]
        opening, closing = "{", "}"
    elif isinstance(value, list):
        items = [tokens(item, trailing) for item in value]
        opening, closing = "[", "]"
    else:
        return [json.dumps(value, ensure_ascii=trailing.random() < 0.5)]
    inside = [token for item in items for token in (",", *item)][1:]
    if items and trailing.random() < 0.5:
        inside.append(",")
    return [opening, *inside, closing]


@given(VALUES, st.randoms(use_true_random=False))
def test_comments_and_trailing_commas_between_tokens_change_nothing(value: object, rnd: random.Random) -> None:
    text = "".join(rnd.choice(NOISE) + token for token in tokens(value, rnd)) + rnd.choice(NOISE)
    assert parser.parse(text) == value


@given(VALUES)
def test_plain_json_is_read_the_same_in_both_modes(value: object) -> None:
    for indent in (None, 2):
        text = json.dumps(value, indent=indent)
        assert parser.parse(text) == parser.parse(text, strict=True) == value


@given(st.text(alphabet='{}[]:,"/*\\\n\r ab1-.e\ufeff', max_size=60) | st.text(max_size=60))
def test_any_text_gives_a_value_or_a_json_error_with_a_position_in_it(text: str) -> None:
    place = None
    try:
        parser.parse(text)
    except parser.JsonError as error:
        place = (error.line, error.column)
    lines = text.removeprefix("\ufeff").split("\n")
    assert place is None or (0 < place[0] <= len(lines) and 0 < place[1] <= len(lines[place[0] - 1]) + 1)


@pytest.mark.parametrize(
    "text",
    ['"//"', '"/* x */"', '",]"', '"a\\"//b"', '"\\\\"', '["x,]",]', '{"//": "/*", "*/": ",}"}', '"http://h/"'],
)
def test_strings_are_never_touched(text: str) -> None:
    assert parser.parse(text) == json.loads(text.replace('",]', '"]') if text.startswith("[") else text)


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("", 1, 1, "expecting value"),
        ("{\n  'a': 1\n}", 2, 3, "double quotes"),
        ('{"a": 1\n "b": 2}', 2, 2, "','"),
        ('// ünï\n{"ä": [1,,2]}', 2, 10, "expecting value"),
        ("/* one\n two */ {} x", 2, 12, "extra data"),
        ("[,]", 1, 2, "expecting value"),
        ("[1,2,,]", 1, 6, "expecting value"),
        ("1,", 1, 2, "extra data"),
        ("{} /* x", 1, 4, "comment without an end"),
        ('{"a": "b\n"}', 1, 9, "control character"),
        ('{"a": "b', 1, 7, "unterminated string"),
        ("[\n -Infinity]", 2, 2, "-Infinity is not"),
        ("[NaN]", 1, 2, "NaN is not"),
        ("\ufeff[x]", 1, 2, "expecting value"),
        ("[1\r\n, 2 3]", 2, 5, "','"),
    ],
)
def test_errors_say_where(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(parser.JsonError) as caught:
        parser.parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert reason in caught.value.reason
    assert str(caught.value) == f"line {line}, column {column}: {caught.value.reason}"


@pytest.mark.parametrize(("text", "column"), [("{} // x", 4), ("[1, ]", 3), ('{"a": 1,}', 8), ("[1] /* x */", 5)])
def test_strict_mode_points_at_what_plain_json_does_not_allow(text: str, column: int) -> None:
    parser.parse(text)
    with pytest.raises(parser.JsonError) as caught:
        parser.parse(text, strict=True)
    assert caught.value.column == column


def test_a_byte_order_mark_is_skipped() -> None:
    assert parser.parse("\ufeff{}") == {}


def test_a_carriage_return_ends_a_line_comment_and_a_line_separator_does_not() -> None:
    assert parser.parse('{ // c\r"x": 1}') == {"x": 1}
    assert parser.parse('{ // c\u2028"x": 1\n}') == {}


@pytest.mark.parametrize("text", ["[" * 200_000, "1" * 10_000])
def test_what_exceeds_pythons_limits_is_a_json_error(text: str) -> None:
    with pytest.raises(parser.JsonError):
        parser.parse(text)


def test_an_error_never_quotes_the_text() -> None:
    with pytest.raises(parser.JsonError) as caught:
        parser.parse('{"apiKey": "sk-very-secret" "x": sk-other-secret}')
    assert "secret" not in str(caught.value) + repr(caught.value)
