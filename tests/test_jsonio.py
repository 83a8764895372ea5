"""Reading and writing JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform import jsonio

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_written_json_is_read_back(value: Any) -> None:
    text = jsonio.dumps(value)
    assert jsonio.loads(text) == value == json.loads(text)
    assert b"\n" not in text
    assert b"\r" not in text


def test_lone_surrogates_survive() -> None:
    text = b'{"delta":"\\ud83d"}'
    assert jsonio.dumps(jsonio.loads(text)).replace(b" ", b"") == text


def test_invalid_utf_8_is_replaced_as_in_event_streams() -> None:
    assert jsonio.loads_object(b'{"a":"\xff"}') == {"a": "\ufffd"}


def test_deep_nesting_is_read_or_refused() -> None:
    assert jsonio.loads_object(b'{"a":' + b"[" * 300 + b"]" * 300 + b"}")
    with pytest.raises(ValueError, match="deep"):
        jsonio.loads(b"[" * 100_000)


@pytest.mark.parametrize("text", [b"", b"[1]", b"5", b"null", b'{"a":', b"{}{}", b"\xff"])
def test_text_that_is_no_json_object_is_none(text: bytes) -> None:
    assert jsonio.loads_object(text) is None


def test_numbers_that_json_lacks_become_null() -> None:
    """JavaScript does the same: JSON has no `NaN` and `Infinity` (RFC 8259 section 6)."""
    assert jsonio.dumps([float("nan"), float("inf")]) == b"[null,null]"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"NaN", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b'"\xff"', "utf-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{", "property name"),
    ],
)
def test_strict_reading_refuses_invalid_json_that_is_accepted_from_endpoints(text: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        jsonio.loads_strict(text)


def test_strict_reading_accepts_lone_surrogates() -> None:
    assert jsonio.loads_strict(b'"\\ud83d"') == "\ud83d"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"), (True, "true or false"), ("", "a string"), (1, "a number"), (1.5, "a number"), ([], "a list"),
        ({}, "an object"), ((), "tuple"),
    ],
)  # fmt: skip
def test_types_have_their_json_names(value: object, name: str) -> None:
    assert jsonio.describe_type(value) == name
