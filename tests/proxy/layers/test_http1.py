"""HTTP/1 connections: the data of a read is forwarded in one piece, and nothing else differs from mitmproxy."""

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
    created = Context(
        Client(peername=("c", 1), sockname=("p", 2), timestamp_start=0, state=ConnectionState.OPEN), Options()
    )
    created.server = Server(address=("endpoint.example", 80))
    created.server.state = ConnectionState.OPEN
    return created


def awaiting_response(kind: type[Http1Client]) -> Http1Client:
    """A connection that has sent its request."""
    layer = kind(context())
    list(layer.handle_event(events.Start()))
    list(layer.handle_event(RequestHeaders(1, tutils.treq(), True)))
    list(layer.handle_event(RequestEndOfMessage(1)))
    return layer


def read(layer: Http1Client, data: bytes) -> list[object]:
    """The result of one read: the events that are forwarded, and other commands by name."""
    return [
        command.event if isinstance(command, ReceiveHttp) else type(command).__name__
        for command in layer.handle_event(events.DataReceived(layer.conn, data))
    ]


def data_of(found: Iterable[object]) -> list[bytes]:
    return [event.data for event in found if isinstance(event, ResponseData)]


def kinds(found: Iterable[object]) -> list[object]:
    return [each if isinstance(each, str) else type(each) for each in found]


def test_the_chunks_of_a_read_are_forwarded_in_one_piece() -> None:
    layer = awaiting_response(LenientHttp1Client)
    assert kinds(read(layer, HEAD)) == [ResponseHeaders]
    assert data_of(read(layer, BODY)) == [b"".join(CHUNKS)]
    assert kinds(read(layer, END)) == [ResponseEndOfMessage]


def test_a_read_with_the_whole_response() -> None:
    found = read(awaiting_response(LenientHttp1Client), HEAD + BODY + END)
    assert kinds(found) == [ResponseHeaders, ResponseData, ResponseEndOfMessage]


def test_data_before_an_error_is_forwarded_first() -> None:
    found = read(awaiting_response(LenientHttp1Client), HEAD + BODY + b"no chunk\r\n")
    assert kinds(found) == [ResponseHeaders, ResponseData, "CloseConnection", ResponseProtocolError]
    assert data_of(found) == [b"".join(CHUNKS)]


def test_a_lost_connection_is_an_error_after_the_data() -> None:
    layer = awaiting_response(LenientHttp1Client)
    assert data_of(read(layer, HEAD + BODY)) == [b"".join(CHUNKS)]
    found = [
        command.event if isinstance(command, ReceiveHttp) else type(command).__name__
        for command in layer.handle_event(events.ConnectionClosed(layer.conn))
    ]
    assert ResponseProtocolError in kinds(found)


@given(st.lists(st.integers(1, len(BODY) + len(END)), max_size=20))
def test_no_data_is_delayed_or_repeated(cuts: list[int]) -> None:
    ours, theirs = awaiting_response(LenientHttp1Client), awaiting_response(Http1Client)
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


def test_any_number_of_interim_responses_may_precede_the_response() -> None:
    found = read(awaiting_response(LenientHttp1Client), b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2500 + HEAD + BODY + END)
    assert kinds(found) == [ResponseHeaders, ResponseData, ResponseEndOfMessage]
