"""What messages contain: requests in, events and errors out."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from response.streams import pieces
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import TextMessage

from codex_transform.errors import ApiError
from codex_transform.response import sse
from codex_transform.websocket import handshake
from codex_transform.websocket.messages import EventFrames, error_message, parse_message, response_message


def create(**fields: Any) -> bytes:
    return json.dumps({"type": "response.create", **fields}).encode()


def texts(frames: bytes) -> list[str]:
    peer = Connection(ConnectionType.CLIENT)
    peer.receive_data(frames)
    return [event.data for event in peer.events() if isinstance(event, TextMessage)]


def test_fields_are_read_beside_the_type_or_inside_response() -> None:
    assert parse_message(create(model="m", input="hi", stream=False), text=True) == (
        {"model": "m", "input": "hi"},
        True,
    )
    nested = create(response={"model": "m", "generate": False}, event_id="e")
    assert parse_message(nested, text=True) == ({"model": "m"}, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OTHER_OBJECTS = st.dictionaries(st.sampled_from(["type", "response", "model"]), JSON | st.just("response.cancel"))


@given(st.binary(max_size=60) | (JSON | OTHER_OBJECTS).map(json.dumps).map(str.encode))
def test_a_message_that_is_no_create_is_refused_with_a_400(content: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        parse_message(content, text=True)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    ("field", "invalid"),
    [
        ("response", JSON.filter(lambda value: value is not None and not isinstance(value, dict))),
        ("generate", JSON.filter(lambda value: not isinstance(value, bool))),
        ("background", JSON.filter(bool)),
        ("stream_id", JSON.filter(lambda value: value is not None)),
    ],
)
@given(st.data())
def test_an_invalid_field_is_refused_with_a_400(
    field: str, invalid: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(invalid)
    for content in (create(**{field: value}), create(response={field: value}))[: 1 if field == "response" else 2]:
        with pytest.raises(ApiError, match=f"`{field}`") as raised:
            parse_message(content, text=True)
        assert (raised.value.status, raised.value.param) == (400, field)


def test_a_binary_message_is_refused_with_a_400() -> None:
    with pytest.raises(ApiError, match="text message") as raised:
        parse_message(create(model="m", input="hi"), text=False)
    assert raised.value.status == 400


DATA = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1).map(lambda text: json.dumps({"t": text}))
FORMS = (
    "event: x\ndata: {}\n\n",
    "event: y\ndata: {}\n\n",
    "data:{}\n\n",
    "data: {}\r\n\r\n",
    ": c\n\n",
)
BLOCKS = st.lists(st.tuples(st.sampled_from(FORMS), DATA))


@given(BLOCKS, st.lists(st.integers(0, 300), max_size=12))
def test_each_event_is_one_message_however_it_is_cut(blocks: list[tuple[str, str]], places: list[int]) -> None:
    stream = "".join(form.replace("{}", data) for form, data in blocks).encode()
    cutter = EventFrames()
    frames = b"".join(cutter.feed(piece) for piece in pieces(stream, places)) + cutter.finish()
    assert texts(frames) == [data for form, data in blocks if "data" in form]


@pytest.mark.parametrize("name", ["x", "y"])
def test_events_with_one_name_and_with_several(name: str) -> None:
    data = [json.dumps({"t": "x" * length}) for length in (0, 100, 2000, 3)]
    stream = b"".join(sse.render(name if index == 2 else "x", each.encode()) for index, each in enumerate(data))
    assert texts(EventFrames().feed(stream)) == data
    odd = stream.replace(b"data: ", b"data: a\ndata: ", 1)
    assert len(texts(EventFrames().feed(odd))) == len(data)


def test_the_end_marker_is_not_a_message() -> None:
    cutter = EventFrames()
    frames = b"".join(cutter.feed(piece) for piece in pieces(b"data: {}\n\ndata: [DONE]\n\n", [3, 12]))
    assert texts(frames + cutter.finish()) == ["{}"]


def test_an_error_event_gets_a_status() -> None:
    event = {"type": "error", "code": "c", "message": "m", "error": {"code": "c", "message": "m"}}
    (message,) = texts(EventFrames().feed(sse.render("error", json.dumps(event).encode())))
    assert json.loads(message) == {"status": 500, "headers": {}, **event}


def test_an_event_that_is_too_long_becomes_an_error() -> None:
    cutter = EventFrames(100)
    stream = b"data: " + b"x" * 300 + b"\n\ndata: {}\n\n"
    frames = b"".join(cutter.feed(piece) for piece in pieces(stream, range(0, 400, 50)))
    messages = [json.loads(text) for text in texts(frames)]
    assert [each.get("status") for each in messages] == [502, None]


def test_errors_in_the_envelope() -> None:
    error = ApiError(429, "slowly", code="rate_limit_exceeded", retry_after=3)
    assert json.loads(error_message(error)) == {
        "type": "error",
        "status": 429,
        "error": {"message": "slowly", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"},
        "headers": {"retry-after": "3"},
    }


def test_an_error_response_becomes_an_error_message() -> None:
    headers = {"Content-Type": "application/json", "X-Request-Id": "r"}
    message = json.loads(response_message(503, b'{"error": {"message": "no"}}', headers))
    assert message == {"type": "error", "status": 503, "error": {"message": "no"}, "headers": {"x-request-id": "r"}}
    assert json.loads(response_message(500, b"<html>", {}))["error"]["type"] == "server_error"


GOOD = {"upgrade": "websocket", "connection": "keep-alive, Upgrade", "sec-websocket-version": "13"}
KEY = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}


def test_the_handshake() -> None:
    assert handshake.asks_for_websocket(GOOD)
    assert not handshake.asks_for_websocket({"upgrade": "h2c"})
    assert handshake.why_not("GET", "HTTP/1.1", GOOD | KEY) is None
    assert handshake.accept_token(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 section 1.3


@pytest.mark.parametrize(
    ("method", "version", "headers", "says"),
    [
        ("POST", "HTTP/1.1", GOOD | KEY, "GET"),
        ("GET", "HTTP/2.0", GOOD | KEY, "HTTP/1.1"),
        ("GET", "HTTP/1.1", GOOD | KEY | {"connection": "close"}, "Connection"),
        ("GET", "HTTP/1.1", GOOD | KEY | {"sec-websocket-version": "8"}, "13"),
        ("GET", "HTTP/1.1", GOOD, "Key"),
        ("GET", "HTTP/1.1", GOOD | {"sec-websocket-key": "!"}, "Key"),
        ("GET", "HTTP/1.1", GOOD | {"sec-websocket-key": "é"}, "Key"),
    ],
)
def test_handshakes_that_cannot_be_served(method: str, version: str, headers: dict[str, str], says: str) -> None:
    assert says in (handshake.why_not(method, version, headers) or "")


@pytest.mark.parametrize(
    ("origin", "page"),
    [
        ("", None),
        ("https://evil.example", "evil.example"),
        ("http://localhost:3000", "localhost"),
        ("null", "null"),
        ("https://[", "null"),
        ("vscode-webview://abc", None),
    ],
)
def test_the_web_page_behind_a_request(origin: str, page: str | None) -> None:
    assert handshake.foreign_origin({"origin": origin}) == page
