"""Reading and writing requests: the result is what a parser gives, and unchanged items keep their bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request.test_properties import anything, requests

from codex_transform.errors import ApiError
from codex_transform.jsonio import FULL_CHECK_LIMIT, dumps, parse_request
from codex_transform.request import raw_items
from codex_transform.request.client_request import as_items, read_request, write_request
from codex_transform.request.raw_items import NO_ID, Item

LONG = "x" * FULL_CHECK_LIMIT

# How clients write JSON: JavaScript, Python and people.
STYLES: tuple[dict[str, Any], ...] = (
    {"separators": (",", ":"), "ensure_ascii": False},
    {},
    {"indent": 2, "ensure_ascii": False},
)
styles = st.sampled_from(STYLES)


@pytest.fixture(params=["fast", "slow"])
def cutting(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With msgspec and without."""
    if request.param == "slow":
        monkeypatch.setattr(raw_items, "msgspec", None)


def refusal(content: bytes, read: Any) -> Any:
    """The body, or the error it is refused with."""
    try:
        body = read(content)
    except ApiError as error:
        return error.status, error.message, error.param
    return json.loads(dumps(body))


@given(requests | st.dictionaries(st.sampled_from(["input", "model", "tools"]), anything), styles)
def test_a_request_reads_as_a_parser_would_read_it(body: dict[str, Any], style: dict[str, Any]) -> None:
    content = json.dumps(body, **style).encode()
    try:
        read = read_request(content)
    except ApiError:  # such as a number out of range
        assert refusal(content, lambda each: read_request(each).body) == refusal(content, parse_request)
        return
    assert json.loads(dumps(read.body)) == parse_request(content) == json.loads(write_request(read.body))
    assert json.loads(dumps(read.parse())) == parse_request(content)
    items = body.get("input")
    if isinstance(items, list) and items and all(isinstance(each, dict) for each in items):
        assert content[read.start : read.end].startswith(read.items[0].raw)
        assert content[read.start : read.end].endswith(read.items[-1].raw)
        assert [item.members for item in read.items] == items


@given(st.binary(max_size=60).map(lambda inner: b'{"model":"m","input":[{"type":"x","output":' + inner + b"}]}"))
def test_any_item_content_is_accepted_or_refused_as_by_the_parser(content: bytes) -> None:
    assert refusal(content, lambda each: read_request(each).body) == refusal(content, parse_request)


ODD = [
    rb'"\ud83d cut in two"',
    rb'"\ud83d\ude00"',
    b'"\xff"',
    b'"\xed\xa0\xbd"',
    b'"tab\there"',
    rb'"\x"',
    b"NaN",
    b"-Infinity",
    b"01",
    b"1.",
    b"[1,]",
    b'{"a":1,"a":2}',
    b'"unended',
    b'"\xc3\xa9 \xf0\x9f\x98\x80"',
    b"[" * 300 + b"]" * 300,
    b"1.50",
    b"1E2",
    b"123456789012345678901234567890",
    b'""} , {"type":"x"',
    b'""},',
    b'"\\"input\\":[{"',
    b'{"input":[{"type":"inner"}]}',
]


@pytest.mark.usefixtures("cutting")
@pytest.mark.parametrize("inner", ODD, ids=repr)
@pytest.mark.parametrize("size", [10, FULL_CHECK_LIMIT])
def test_odd_json_in_an_item(inner: bytes, size: int) -> None:
    first = b'{"type":"x","output":"' + b"x" * size + b'"}'
    content = b'{"model":"m","input":[' + first + b',{"type":"x","output":' + inner + b'}],"tool_choice":"auto"}'
    expected = refusal(content, parse_request)
    assert refusal(content, lambda each: read_request(each).body) == expected
    known = read_request(b'{"model":"m","input":[' + first + b"]}")
    assert refusal(content, lambda each: read_request(each, known).body) == expected
    if isinstance(expected, dict):
        written = write_request(read_request(content).body)
        assert all(item in written for item in (b'"output":' + inner + b"}").split(b" , "))


@pytest.mark.parametrize("number", [b"1e999", b"9" * 5000])
def test_a_number_out_of_range_in_a_long_request_is_sent_unchanged(number: bytes) -> None:
    pytest.importorskip("msgspec")
    item = b'{"type":"x","output":' + number + b"}"
    content = b'{"model":"m","instructions":"' + LONG.encode() + b'","input":[' + item + b"]}"
    assert item in write_request(read_request(content).body)


PLACES = [
    b'{"input":[%s],"model":"m"}',
    b' { "model" : "m" , "input" : [ %s ] } ',
    b'{"tools":[{"parameters":{"input":[]}}],"input":[%s],"model":"m"}',
    b'{"tools":[{"parameters":{"input":[%s]}}],"input":[%s],"model":"m"}',
    b'{"input":[{"type":"first"}],"model":"m","input":[%s]}',
    b'{"input":[%s],"model":"m","input":"text"}',
    b'{"input":[%s],"model":"m","input":[]}',
    b'{"instructions":"\\"input\\":[%s]","model":"m"}',
    b'{"model":"m","input":[%s],"metadata":{"input":[%s]}}',
    b'\xef\xbb\xbf{"model":"m","input":[%s]}',
]


@pytest.mark.usefixtures("cutting")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("items", [b"", b'{"type":"a"}', b'{"type":"a"},{"type":"b","input":[{"type":"c"}]}'])
def test_the_items_are_found_wherever_they_are(place: bytes, items: bytes) -> None:
    content = place.replace(b"%s", items if b'"\\"input' not in place else b"")
    read = read_request(content)
    assert json.loads(write_request(read.body)) == parse_request(content)


@pytest.mark.parametrize(
    "end",
    [
        b",]}",
        b"x{}]}",
        b" {}]}",
        b",,{}]}",
        b"}",
        b"",
        b",5]}",
        b"]",
        b"]}}",
        b'],"input":[{}]}',
        b'],"input":[]}',
        b'],"input":5}',
    ],
)
def test_what_follows_a_known_prefix_is_checked(end: bytes) -> None:
    begun = b'{"model":"m","input":[{"type":"x","output":"' + LONG.encode() + b'"}'
    known = read_request(begun + b"]}")
    content = begun + end
    assert refusal(content, lambda each: read_request(each, known).body) == refusal(content, parse_request)


def test_an_item_is_an_immutable_mapping() -> None:
    item = Item.of({"type": "message", "role": "user", "content": [], "id": None})
    assert item == {"type": "message", "role": "user", "content": [], "id": None}
    assert (item["role"], item.get("call_id"), item.get("nothing", 5), item["content"]) == ("user", None, 5, [])
    assert (item.id, Item.of({"type": "x"}).id) == (None, NO_ID)
    item.members["content"].append("changed")
    assert item["content"] == []
    with pytest.raises(KeyError):
        item["nothing"]


def test_items_of_a_parsed_input_keep_values_that_are_not_objects() -> None:
    items = as_items([{"type": "x"}, 5, None])
    assert [type(each) for each in items] == [Item, int, type(None)]
    assert write_request({"input": items, "model": "m"}) == b'{"input":[{"type":"x"},5,null],"model":"m"}'
