"""The fast check of a message's fields accepts and refuses what mitmproxy's own does, and leaves nothing behind."""

import gc
from collections.abc import Iterator
from typing import Any
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Headers, Message, MessageData, Request, RequestData, Response, ResponseData

from codex_transform.proxy.patches.field_types import CheckFieldTypes

FIELDS: dict[type[MessageData], dict[str, Any]] = {
    RequestData: {
        "http_version": b"HTTP/1.1",
        "headers": Headers(),
        "content": None,
        "trailers": None,
        "timestamp_start": 1.0,
        "timestamp_end": None,
        "host": "api.openai.com",
        "port": 443,
        "method": b"POST",
        "scheme": b"https",
        "authority": b"",
        "path": b"/v1/responses",
    },
    ResponseData: {
        "http_version": b"HTTP/1.1",
        "headers": Headers(),
        "content": b"{}",
        "trailers": None,
        "timestamp_start": 1.0,
        "timestamp_end": None,
        "status_code": 200,
        "reason": b"OK",
    },
}
PLACES = [(kind, name) for kind, fields in FIELDS.items() for name in fields]


class Text(str):
    """A subclass, which counts as what it is derived from."""

    __slots__ = ()


VALUES: list[Any] = [None, 1, 1.5, True, b"x", bytearray(b"x"), "x", Text("x"), Headers(), (), [], {}]

original = MessageData.__post_init__


@pytest.fixture
def _patched() -> Iterator[None]:
    patch = CheckFieldTypes()
    patch.load(None)
    yield
    patch.done()
    assert MessageData.__post_init__ is original


def complaint(kind: type[MessageData], fields: dict[str, Any]) -> str | None:
    try:
        kind(**fields)
    except TypeError as error:
        return str(error)
    return None


@given(st.sampled_from(PLACES), st.sampled_from(VALUES))
def test_it_accepts_and_refuses_what_mitmproxy_does(place: tuple[type[MessageData], str], value: Any) -> None:
    kind, name = place
    fields = {**FIELDS[kind], name: value}
    theirs = complaint(kind, fields)
    patch = CheckFieldTypes()
    patch.load(None)
    try:
        assert complaint(kind, fields) == theirs
    finally:
        patch.done()


@pytest.mark.usefixtures("_patched")
@pytest.mark.parametrize("make", [lambda: Request.make("POST", "https://h/", b"{}"), lambda: Response.make(200, b"{}")])
def test_a_message_is_freed_without_a_garbage_collection(make: Any) -> None:
    def messages() -> list[ref[Message]]:
        local = [make() for _ in range(5)]  # an exception's traceback would keep this frame, and with it the messages
        return [ref(message) for message in local]

    gc.disable()
    try:
        assert [message() for message in messages()] == [None] * 5
    finally:
        gc.enable()
