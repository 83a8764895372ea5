import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps, parse_request

BROKEN = [
    (b"", "empty"),
    (b" \n\t", "empty"),
    (b"{", "line 1, column 2"),
    (b'{"a": 1,}', "line 1, column"),
    (b'{\n  "a": x\n}', "line 2, column 8"),
    (b'{"a": 1} {"b": 2}', "line 1, column 10"),
    (b'{"a": "tab\there"}', "line 1, column"),
    (b'{"a": "\xff"}', "offset 7"),
    (b'{"a": "\xed\xa0\xbd"}', "offset 7"),
    (b'{"a": NaN}', "line 1 column"),
    (b'{"a": -Infinity}', "line 1 column"),
    (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
    (b'{"a": 1}'.decode().encode("utf-16"), "not UTF-8"),
    (b"not json at all", "not valid JSON"),
    (b"<html></html>", "not valid JSON"),
    (b"[1, 2]", "must be a JSON object, not a list"),
    (b'"text"', "must be a JSON object, not a string"),
    (b"12", "must be a JSON object, not a number"),
    (b"true", "must be a JSON object, not true or false"),
    (b"null", "must be a JSON object, not null"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN)
def test_a_body_that_is_no_json_object_is_refused_with_the_place(content: bytes, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_request(content)
    assert caught.value.status == 400
    assert caught.value.type == "invalid_request_error"
    assert message in caught.value.message


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400 + ".5"])
@pytest.mark.parametrize("place", ["%s", '{"b": [%s]}', '[{"c": {"d": %s}}]'])
def test_numbers_out_of_range_are_refused_with_the_field(number: str, place: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_request(f'{{"model": "m", "tools": {place % number}}}'.encode())
    assert caught.value.status == 400
    assert caught.value.param == "tools"


def test_a_number_out_of_range_is_refused_in_a_large_body_too() -> None:
    with pytest.raises(ApiError) as caught:
        parse_request(b'{"input": "' + b"x" * 100_000 + b'", "temperature": 1e999}')
    assert caught.value.param == "temperature"


def test_nested_numbers_out_of_range_are_written_as_null() -> None:
    body = parse_request(b'{"a": [1e999], "b": "' + b"x" * 100_000 + b'"}')
    assert json.loads(dumps(body), parse_constant=pytest.fail)["a"] == [None]


@pytest.mark.parametrize("depth", [100, 199, 250, 400])
def test_deep_nesting_is_kept(depth: int) -> None:
    content = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    assert dumps(parse_request(content)) == content


@pytest.mark.parametrize("depth", [600, 5_000, 1_000_000])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_too_deep_nesting_is_refused(depth: int, brackets: tuple[bytes, bytes]) -> None:
    opening, closing = brackets
    with pytest.raises(ApiError, match="nested too deeply"):
        parse_request(b'{"a":' + opening * depth + b"1" + closing * depth + b"}")


ROUND_TRIPS = [
    rb'{"a":"\ud83d"}',
    rb'{"a":"cut \ud83d here","b":"\ude00"}',
    rb'{"\ud83d":1}',
    '{"a":"é → 😀","b":"\\ud83d"}'.encode(),
    '{"a":"é → 😀"}'.encode(),
    rb'{"a":"\u0000\u001f\b\f\n\r\t\"\\"}',
    rb'{"a":"\u0000\u001f\b\f\n\r\t\"\\","b":"\ud83d"}',
    b'{"a":1,"b":-0.5,"c":123456789012345678901234567890,"d":true,"e":null,"f":[],"g":{}}',
]


@pytest.mark.parametrize("content", ROUND_TRIPS)
def test_valid_json_is_written_as_it_was_read(content: bytes) -> None:
    assert dumps(parse_request(content)) == content


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_request(rb'{"a": "\ud83d\ude00"}') == {"a": "😀"}


def test_the_last_of_duplicate_keys_wins() -> None:
    assert parse_request(b'{"a": 1, "b": 2, "a": 3}') == {"a": 3, "b": 2}
    assert parse_request(rb'{"a": "\ud83d", "b": 2, "a": 3}') == {"a": 3, "b": 2}


def test_a_byte_order_mark_and_surrounding_whitespace_are_ignored() -> None:
    assert parse_request(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert parse_request(b' \r\n{"a": 1}\n') == {"a": 1}


texts = st.text(st.characters(), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(texts, values, max_size=5))
def test_any_value_from_javascript_survives(body: dict[str, object]) -> None:
    # ensure_ascii writes lone surrogates as JSON.stringify does
    assert json.loads(dumps(parse_request(json.dumps(body).encode()))) == body
    assert parse_request(dumps(body)) == body


def overwritten(body: object, place: int, data: bytes) -> bytes:
    """The JSON of `body` with some of its bytes overwritten by `data`."""
    content = json.dumps(body, ensure_ascii=False).encode(errors="surrogatepass")
    return content[:place] + data + content[place + len(data) :]


@given(
    st.binary(max_size=200)
    | st.builds(
        overwritten, st.dictionaries(texts, values, max_size=3), st.integers(0, 60), st.binary(min_size=1, max_size=2)
    )
)
def test_any_bytes_are_refused_or_parsed_like_json(content: bytes) -> None:
    with suppress(ApiError):
        assert parse_request(content) == json.loads(content)
