"""HTTP/1 connections: a read goes on in one piece, and nothing else differs."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    Http1Client,
    ReceiveHttp,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.test import tutils

from codex_transform.proxy.layers.http1 import LenientHttp1Client

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNKS = [b"data: %d\n\n" % number for number in range(30)]
BODY = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in CHUNKS)
END = b"0\r\n\r\n"


def context() -> Context:
    made = Context(
        Client(peername=("c", 1), sockname=("p", 2), timestamp_start=0, state=ConnectionState.OPEN), Options()
    )
    made.server = Server(address=("endpoint.example", 80))
    made.server.state = ConnectionState.OPEN
    return made


def asked(kind: type[Http1Client]) -> Http1Client:
    """A connection that has sent a request."""
    layer = kind(context())
    list(layer.handle_event(events.Start()))
    list(layer.handle_event(RequestHeaders(1, tutils.treq(), True)))
    list(layer.handle_event(RequestEndOfMessage(1)))
    return layer


def read(layer: Http1Client, data: bytes) -> list[object]:
    """What one read leads to: the events that go on, and other commands by name."""
    return [
        command.event if isinstance(command, ReceiveHttp) else type(command).__name__
        for command in layer.handle_event(events.DataReceived(layer.conn, data))
    ]


def data_of(found: Iterable[object]) -> list[bytes]:
    return [event.data for event in found if isinstance(event, ResponseData)]


def kinds(found: Iterable[object]) -> list[object]:
    return [each if isinstance(each, str) else type(each) for each in found]


def test_the_chunks_of_a_read_go_on_in_one_piece() -> None:
    layer = asked(LenientHttp1Client)
    assert kinds(read(layer, HEAD)) == [ResponseHeaders]
    assert data_of(read(layer, BODY)) == [b"".join(CHUNKS)]
    assert kinds(read(layer, END)) == [ResponseEndOfMessage]


def test_a_read_that_brings_everything() -> None:
    found = read(asked(LenientHttp1Client), HEAD + BODY + END)
    assert kinds(found) == [ResponseHeaders, ResponseData, ResponseEndOfMessage]


def test_what_came_before_a_fault_goes_on_before_it() -> None:
    found = read(asked(LenientHttp1Client), HEAD + BODY + b"no chunk\r\n")
    assert kinds(found) == [ResponseHeaders, ResponseData, "CloseConnection", ResponseProtocolError]
    assert data_of(found) == [b"".join(CHUNKS)]


def test_what_came_before_the_connection_broke_goes_on_before_it() -> None:
    layer = asked(LenientHttp1Client)
    read(layer, HEAD + BODY)
    found = [
        command.event if isinstance(command, ReceiveHttp) else type(command).__name__
        for command in layer.handle_event(events.ConnectionClosed(layer.conn))
    ]
    assert ResponseProtocolError in kinds(found)


@given(st.lists(st.integers(1, len(BODY) + len(END)), max_size=20))
def test_nothing_is_held_back_and_nothing_comes_twice(cuts: list[int]) -> None:
    ours, theirs = asked(LenientHttp1Client), asked(Http1Client)
    assert kinds(read(ours, HEAD)) == kinds(read(theirs, HEAD))
    stream, at = BODY + END, 0
    for cut in [*sorted(cuts), len(stream)]:
        if cut <= at:
            continue
        found, expected = read(ours, stream[at:cut]), read(theirs, stream[at:cut])
        at = cut
        assert b"".join(data_of(found)) == b"".join(data_of(expected))
        assert len(data_of(found)) <= 1
        assert dict.fromkeys(kinds(found)) == dict.fromkeys(kinds(expected))
