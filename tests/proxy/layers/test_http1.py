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
    Http1Connection,
    ReceiveHttp,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.test import tutils

from codex_transform.proxy.layers.http1 import MAX_HEADERS, LenientHttp1Client, LenientHttp1Server
from codex_transform.response.body_errors import MAX_BODY

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


def read(layer: Http1Connection, data: bytes) -> list[object]:
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


REQUEST = b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nHost: api.openai.com\r\nAuthorization: Bearer abcd\r\n"


def client() -> LenientHttp1Server:
    """A client's connection, which has just begun."""
    layer = LenientHttp1Server(context())
    list(layer.handle_event(events.Start()))
    return layer


def test_headers_that_do_not_end_are_not_kept() -> None:
    layer = client()
    found = [each for _ in range(20) for each in read(layer, b"X: " + b"x" * (MAX_HEADERS // 10))]
    assert found == ["SendData", "CloseConnection"]


def test_what_a_client_sends_before_its_response_is_its_next_request() -> None:
    layer = client()
    first, second = (REQUEST + b"Content-Length: %d\r\n\r\n" % size for size in (0, 2 * MAX_HEADERS))
    body = b"x" * (2 * MAX_HEADERS)
    assert kinds(read(layer, first)) == [RequestHeaders, RequestEndOfMessage]
    assert read(layer, second + body) == []
    list(layer.handle_event(ResponseHeaders(1, tutils.tresp(content=None), True)))
    found = [each.event for each in layer.handle_event(ResponseEndOfMessage(1)) if isinstance(each, ReceiveHttp)]
    assert kinds(found) == [RequestHeaders, RequestData, RequestEndOfMessage]
    assert [each.data for each in found if isinstance(each, RequestData)] == [body]


def test_a_client_that_sends_for_ever_before_its_response_is_left() -> None:
    layer = client()
    read(layer, REQUEST + b"Content-Length: 0\r\n\r\n")
    pieces = MAX_BODY // MAX_HEADERS + 1
    found = [each for _ in range(2 * pieces) for each in read(layer, bytes(MAX_HEADERS))]
    assert kinds(found) == ["CloseConnection", RequestProtocolError]
