"""HTTP/1 connections: a read goes on in one piece, a head leaves with what follows it, and nothing else differs."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    Http1Client,
    Http1Connection,
    ReceiveHttp,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
)
from mitmproxy.test import tutils

from codex_transform.proxy.layers.coalesce import OneWriteClient, OneWriteServer, RequestHead, ResponseHead

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


def sent(layer: Http1Connection, event: events.Event) -> list[bytes]:
    return [command.data for command in layer.handle_event(event) if isinstance(command, commands.SendData)]


def test_the_chunks_of_a_read_go_on_in_one_piece() -> None:
    layer = asked(OneWriteClient)
    assert kinds(read(layer, HEAD)) == [ResponseHeaders]
    assert data_of(read(layer, BODY)) == [b"".join(CHUNKS)]
    assert kinds(read(layer, END)) == [ResponseEndOfMessage]


def test_a_read_that_brings_everything() -> None:
    found = read(asked(OneWriteClient), HEAD + BODY + END)
    assert kinds(found) == [ResponseHeaders, ResponseData, ResponseEndOfMessage]


def test_what_came_before_a_fault_goes_on_before_it() -> None:
    found = read(asked(OneWriteClient), HEAD + BODY + b"no chunk\r\n")
    assert kinds(found) == [ResponseHeaders, ResponseData, "CloseConnection", ResponseProtocolError]
    assert data_of(found) == [b"".join(CHUNKS)]


def test_what_came_before_the_connection_broke_goes_on_before_it() -> None:
    layer = asked(OneWriteClient)
    read(layer, HEAD + BODY)
    found = [
        command.event if isinstance(command, ReceiveHttp) else type(command).__name__
        for command in layer.handle_event(events.ConnectionClosed(layer.conn))
    ]
    assert ResponseProtocolError in kinds(found)


@given(st.lists(st.integers(1, len(BODY) + len(END)), max_size=20))
def test_nothing_is_held_back_and_nothing_comes_twice(cuts: list[int]) -> None:
    ours, theirs = asked(OneWriteClient), asked(Http1Client)
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


@pytest.mark.parametrize("length", [1, 100_000])
def test_a_request_leaves_in_one_write(length: int) -> None:
    layer = OneWriteClient(context())
    list(layer.handle_event(events.Start()))
    body = b"x" * length
    request = tutils.treq(content=body, headers=((b"content-length", b"%d" % length),))
    assert sent(layer, RequestHead(1, request, False)) == []
    (written,) = sent(layer, RequestData(1, body))
    head, blank, rest = written.partition(b"\r\n\r\n")
    assert head.startswith(b"GET /path HTTP/1.1\r\n")
    assert blank
    assert rest == body
    assert sent(layer, RequestData(1, body)) == [body]


def test_other_requests_leave_as_ever() -> None:
    layer = OneWriteClient(context())
    list(layer.handle_event(events.Start()))
    (head,) = sent(layer, RequestHeaders(1, tutils.treq(content=b"x"), False))
    assert head.endswith(b"\r\n\r\n")
    assert sent(layer, RequestData(1, b"x")) == [b"x"]


def answering() -> OneWriteServer:
    layer = OneWriteServer(context())
    list(layer.handle_event(events.Start()))
    list(layer.handle_event(events.DataReceived(layer.conn, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")))
    return layer


RESPONSE = {"headers": ((b"transfer-encoding", b"chunked"),), "content": None}


def test_a_response_and_its_first_event_leave_in_one_write() -> None:
    layer = answering()
    assert sent(layer, ResponseHead(1, tutils.tresp(**RESPONSE), False)) == []
    assert sent(layer, ResponseData(1, b"one")) == [
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n"
    ]
    assert sent(layer, ResponseData(1, b"more")) == [b"4\r\nmore\r\n"]
    assert sent(layer, ResponseEndOfMessage(1)) == [END]


def test_a_head_that_nothing_follows_leaves_with_the_end() -> None:
    layer = answering()
    assert sent(layer, ResponseHead(1, tutils.tresp(**RESPONSE), False)) == []
    assert sent(layer, ResponseEndOfMessage(1)) == [HEAD + END]


def test_other_responses_leave_as_ever() -> None:
    layer = answering()
    assert sent(layer, ResponseHeaders(1, tutils.tresp(**RESPONSE), False)) == [HEAD]
