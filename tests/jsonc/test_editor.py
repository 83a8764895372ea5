import json
import random
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.jsonc import parser
from codex_transform.jsonc.editor import Document, render

NAMES = st.sampled_from(["a", "b", "c", "//", "/* */", ",}", '"', "\\", "ключ", ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | NAMES
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=15,
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=4)
NOISE = ("", "", " ", "\n", "\r\n", "\n  ", "\t", "\r", '// , ] } " /*\n', '/* , ] } // "\n*/', "/**/", " // c\r\n")
COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"|(//[^\r\n]*|/\*.*?\*/)', re.DOTALL)


def tokens(value: object, rnd: random.Random) -> list[str]:
    """A value as JSONC tokens, sometimes with a comma after the last item, or with a duplicate member."""
    if isinstance(value, dict):
        items = [[json.dumps(key), ":", *tokens(item, rnd)] for key, item in value.items()]
        if items and rnd.random() < 0.2:
            items.insert(0, [json.dumps(rnd.choice(list(value))), ":", rnd.choice(["1", "{}", '{"a": 2}'])])
    elif isinstance(value, list):
        items = [tokens(item, rnd) for item in value]
    else:
        return [json.dumps(value, ensure_ascii=rnd.random() < 0.5)]
    inside = [token for item in items for token in (",", *item)][1:]
    if items and rnd.random() < 0.3:
        inside.append(",")
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return [opening, *inside, closing]


def written(value: object, rnd: random.Random) -> str:
    """`value` as somebody might have written it: indented, or with anything that is allowed between two tokens."""
    if rnd.random() < 0.3:
        indents: list[int | str] = [1, 2, 4, "\t"]
        return json.dumps(value, indent=rnd.choice(indents))
    text = "".join(rnd.choice(NOISE) + token for token in tokens(value, rnd)) + rnd.choice(NOISE)
    return ("\ufeff" if rnd.random() < 0.2 else "") + text


def comments(text: str) -> list[str]:
    return [match[1] for match in COMMENT.finditer(text) if match[1]]


def is_subsequence(short: str, long: str) -> bool:
    rest = iter(long)
    return all(character in rest for character in short)


def filled(theirs: Any, ours: dict[str, Any]) -> Any:
    """What `merge_missing` does to the text, done to values."""
    if not isinstance(theirs, dict):
        return theirs
    result = dict(theirs)
    for name, value in ours.items():
        if name not in theirs:
            result[name] = value
        elif isinstance(value, dict):
            result[name] = filled(theirs[name], value)
    return result


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [each for name, item in entries for each in ((*path, name), *paths(item, (*path, name)))]


def without(value: Any, gone: set[tuple[str | int, ...]], path: tuple[str | int, ...] = ()) -> Any:
    if isinstance(value, dict):
        return {n: without(v, gone, (*path, n)) for n, v in value.items() if (*path, n) not in gone}
    if isinstance(value, list):
        return [without(v, gone, (*path, n)) for n, v in enumerate(value) if (*path, n) not in gone]
    return value


@given(OBJECTS, OBJECTS, st.randoms(use_true_random=False))
def test_merge_missing_adds_what_is_absent_and_only_inserts(
    theirs: dict[str, Any], ours: dict[str, Any], rnd: random.Random
) -> None:
    before = written(theirs, rnd)
    after = Document(before).merge_missing(ours)
    assert parser.parse(after) == filled(theirs, ours)
    assert is_subsequence(before, after)
    assert comments(after) == comments(before)
    assert Document(after).merge_missing(ours) == after


@given(OBJECTS, st.lists(NAMES, min_size=1, max_size=3), VALUES, st.randoms(use_true_random=False))
def test_set_changes_one_value_and_leaves_the_text_around_it(
    theirs: dict[str, Any], names: list[str], value: object, rnd: random.Random
) -> None:
    before = written(theirs, rnd)
    expected = above = json.loads(json.dumps(theirs))
    for name in names[:-1]:
        above = above.setdefault(name, {}) if isinstance(above, dict) else above
    if not isinstance(above, dict):
        with pytest.raises(ValueError, match="must be an object in braces"):
            Document(before).set(tuple(names), value)
        return
    replaced = names[-1] in above
    above[names[-1]] = value
    after = Document(before).set(tuple(names), value)
    assert parser.parse(after) == expected
    if not replaced:
        assert is_subsequence(before, after)
        assert comments(after) == comments(before)


@given(OBJECTS, st.data(), st.randoms(use_true_random=False))
def test_remove_removes_what_is_named_and_only_deletes(
    theirs: dict[str, Any], data: st.DataObject, rnd: random.Random
) -> None:
    before = written(theirs, rnd)
    every = paths(theirs)
    gone = data.draw(st.sets(st.sampled_from(every), max_size=5)) if every else set()
    after = Document(before).remove(gone)
    assert parser.parse(after) == without(theirs, gone)
    assert is_subsequence(after, before)
    if not any(Document(before).has_comment(path) for path in gone):
        assert comments(after) == comments(before)


@given(OBJECTS, OBJECTS, st.sampled_from(["  ", "    ", "\t"]), st.sampled_from(["\n", "\r\n"]))
def test_what_was_merged_in_can_be_removed_without_a_trace(
    theirs: dict[str, Any], ours: dict[str, Any], indent: str, newline: str
) -> None:
    """In a tidy file; in any other, a line break may be gained or lost."""
    before = json.dumps(theirs, indent=indent).replace("\n", newline) + newline
    absent = {name: value for name, value in ours.items() if name not in theirs}
    after = Document(before).merge_missing(absent)
    assert Document(after).remove((name,) for name in absent) == before


@given(VALUES)
def test_a_rendered_value_is_read_back(value: object) -> None:
    assert json.loads(render(value)) == value


COMMENTED = """\
{
    // what I use
    "model": "openai/gpt-5.1", // for now
    "plugin": ["one", "two" /* the second */, "three"],
    "provider": {
        "openai": {
            "models": {
                "mine": {} // untouched
                // "old": {}
            }
        },
    },
}
"""


def test_a_member_is_added_after_the_last_one_and_its_comment() -> None:
    after = Document(COMMENTED).merge_missing({"provider": {"openai": {"models": {"new": {"name": "N"}}}}})
    assert after == COMMENTED.replace(
        '"mine": {} // untouched\n', '"mine": {}, // untouched\n                "new": {"name": "N"}\n'
    )


def test_the_trailing_comma_style_is_kept() -> None:
    after = Document(COMMENTED).merge_missing({"theme": "dark"})
    assert after == COMMENTED[:-2] + '    "theme": "dark",\n}\n'


def test_an_item_is_removed_with_its_comma_and_the_comment_stays() -> None:
    document = Document(COMMENTED)
    assert '"plugin": ["two" /* the second */, "three"],' in document.remove([("plugin", 0)])
    assert '"plugin": ["one", /* the second */ "three"],' in document.remove([("plugin", 1)])
    assert '"plugin": ["one", "two" /* the second */],' in document.remove([("plugin", 2)])


def test_a_member_is_removed_with_its_line() -> None:
    assert Document(COMMENTED).remove([("plugin",)]) == COMMENTED.replace(
        '    "plugin": ["one", "two" /* the second */, "three"],\n', ""
    )
    assert "// for now" in Document(COMMENTED).remove([("model",)])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n  "a": {\n    "b": {"c": 1}\n  }\n}'),
        ('{"x": {}}', '{"x": {},\n  "a": {\n    "b": {"c": 1}\n  }\n}'),
        ('{"a": {"b": {}}}', '{"a": {"b": {"c": 1}}}'),
        ('{"a": {"b": {"d": 2}}}', '{"a": {"b": {"d": 2, "c": 1}}}'),
        ('{"a": {"b": {"d": 2,}}}', '{"a": {"b": {"d": 2, "c": 1,}}}'),
        ('\ufeff{\r\n\t"x": 1\r\n}\r\n', '\ufeff{\r\n\t"x": 1,\r\n\t"a": {\r\n\t\t"b": {"c": 1}\r\n\t}\r\n}\r\n'),
        ("{ // mine\n}", '{ // mine\n  "a": {\n    "b": {"c": 1}\n  }\n}'),
    ],
)
def test_what_is_inserted_looks_like_what_is_there(before: str, after: str) -> None:
    assert Document(before).merge_missing({"a": {"b": {"c": 1}}}) == after


def test_emptied_brackets_close_unless_they_hold_a_comment() -> None:
    assert Document('{\n  "a": [\n    1,\n    2\n  ]\n}').remove([("a", 0), ("a", 1)]) == '{\n  "a": []\n}'
    assert Document('{\n  "a": [\n    1 // one\n  ]\n}').remove([("a", 0)]) == '{\n  "a": [\n     // one\n  ]\n}'


def test_has_comment_means_inside_the_member() -> None:
    document = Document(COMMENTED)
    assert document.has_comment(("plugin",))
    assert document.has_comment(("provider", "openai"))
    assert not document.has_comment(("model",))
    assert not document.has_comment(("provider", "openai", "models", "mine"))


def test_damaged_text_is_refused_with_its_position() -> None:
    with pytest.raises(parser.JsonError, match="line 2, column 8"):
        Document('{\n  "a": ]\n}')


@pytest.mark.parametrize("text", ["[]", "1", '"{}"'])
def test_only_objects_can_be_merged_into(text: str) -> None:
    with pytest.raises(ValueError, match="must be an object in braces"):
        Document(text).merge_missing({"a": 1})


@pytest.mark.parametrize(
    ("before", "gone", "after"),
    [
        ('{"a": 1, "b": 2, "c": 3, "d": 4}', "bcd", '{"a": 1}'),
        ('{"a": 1, "b": 2, "c": 3, "d": 4,}', "cd", '{"a": 1, "b": 2,}'),
        ('{"a": 1, "b": 2, "c": 3, "d": 4}', "ac", '{"b": 2, "d": 4}'),
        ('{ "a": 1, "b": 2 }', "a", '{ "b": 2 }'),
        ('{"a": 1, "b": 2 /* two */, "c": 3}', "bc", '{"a": 1 /* two */}'),
    ],
)
def test_spaces_are_removed_with_what_they_separate(before: str, gone: str, after: str) -> None:
    assert Document(before).remove((name,) for name in gone) == after


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('{"a": []}', '{"a": [1, {"b": 2}]}'),
        ('{"a": [0]}', '{"a": [0, 1, {"b": 2}]}'),
        ('{\n  "a": [\n    0, // zero\n  ],\n}\n', '{\n  "a": [\n    0, // zero\n    1,\n    {"b": 2},\n  ],\n}\n'),
        ('{\n  "a": [\n    0\n  ]\n}\n', '{\n  "a": [\n    0,\n    1,\n    {"b": 2}\n  ]\n}\n'),
    ],
)
def test_items_are_appended_after_the_existing_ones(text: str, after: str) -> None:
    assert Document(text).append(("a",), [1, {"b": 2}]) == after
    assert Document(text).append(("a",), []) == text


@pytest.mark.parametrize("path", [("b",), ("a", 0), ()])
def test_only_a_list_takes_items(path: tuple[str | int, ...]) -> None:
    with pytest.raises(ValueError, match="must be a list in brackets"):
        Document('{"a": [0]}').append(path, [1])
