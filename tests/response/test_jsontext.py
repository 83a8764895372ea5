"""JSON as endpoints write it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.response import jsontext

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    text = jsontext.write(value)
    assert jsontext.read(text) == value == json.loads(text)
    assert b"\n" not in text
    assert b"\r" not in text


def test_half_surrogates_survive() -> None:
    text = b'{"delta":"\\ud83d"}'
    assert jsontext.write(jsontext.read(text)).replace(b" ", b"") == text


def test_invalid_utf_8_is_replaced_as_the_event_stream_format_says() -> None:
    assert jsontext.read_object(b'{"a":"\xff"}') == {"a": "\ufffd"}


def test_deep_nesting_is_read_or_refused() -> None:
    assert jsontext.read_object(b'{"a":' + b"[" * 300 + b"]" * 300 + b"}")
    with pytest.raises(ValueError, match="deep"):
        jsontext.read(b"[" * 100_000)


@pytest.mark.parametrize("text", [b"", b"[1]", b"5", b"null", b'{"a":', b"{}{}", b"\xff"])
def test_what_is_no_object(text: bytes) -> None:
    assert jsontext.read_object(text) is None
