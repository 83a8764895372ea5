"""GOAWAY on a connection to an endpoint, however its frames are cut into reads."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.addonmanager import Loader
from mitmproxy.connection import Client, ConnectionState, Server
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http import (
    ReceiveHttp,
    RequestEndOfMessage,
    RequestHeaders,
    ResponseData,
    ResponseProtocolError,
)
from mitmproxy.test import taddons, tutils

from codex_transform.proxy.patches.http2_layers import InstallHttp2Layers
from codex_transform.response.network_error import NOT_PROCESSED

ALL = 2**31 - 1


@pytest.fixture(autouse=True, scope="module")
def installed() -> Iterator[None]:
    with taddons.context() as context:
        addon = InstallHttp2Layers()
        addon.load(Loader(context.master))
        yield
        addon.done()
    context.master.event_loop.close()


class Connection:
    """A connection with two requests on it, and the endpoint that has got them."""

    def __init__(self) -> None:
        context = Context(Client(peername=("c", 1), sockname=("p", 2), timestamp_start=0), Options())
        context.options.add_option("validate_inbound_headers", bool, True, "")
        context.options.add_option("normalize_outbound_headers", bool, True, "")
        context.options.add_option("http2_ping_keepalive", int, 0, "")
        context.server = self.server = Server(address=("endpoint.example", 443))
        self.server.state = ConnectionState.OPEN
        self.endpoint = H2Connection(H2Configuration(client_side=False))
        self.endpoint.initiate_connection()
        self.received: list[str] = []
        self.closed = False
        self.layer = http.Http2Client(context)
        self.handle(events.Start())
        for number in (1, 3):
            request = tutils.treq(http_version=b"HTTP/2.0", authority=b"endpoint.example", headers=())
            self.handle(RequestHeaders(number, request, end_stream=False))
            self.handle(RequestEndOfMessage(number))

    def handle(self, event: events.Event) -> None:
        for command in self.layer.handle_event(event):
            if isinstance(command, commands.SendData) and not self.closed:
                self.endpoint.receive_data(command.data)
            elif isinstance(command, commands.CloseConnection):
                self.closed = True
            elif isinstance(command, ReceiveHttp):
                self.note(command.event)

    def note(self, event: http.HttpEvent) -> None:
        what = type(event).__name__.removeprefix("Response")
        if isinstance(event, ResponseProtocolError):
            what = event.message
        elif isinstance(event, ResponseData):
            what = event.data.decode()
        self.received.append(f"{event.stream_id}: {what}")

    def frames(self) -> bytes:
        """What the endpoint has sent since the last call."""
        sent: bytes = self.endpoint.data_to_send()
        return sent

    def read(self, data: bytes) -> None:
        self.handle(events.DataReceived(self.server, data))


def goaway(last_stream: int, error: ErrorCodes = ErrorCodes.NO_ERROR) -> bytes:
    return bytes(GoAwayFrame(0, last_stream_id=last_stream, error_code=error).serialize())


@given(cuts=st.lists(st.integers(0, 120), max_size=8))
def test_frames_before_and_after_goaway_count(cuts: list[int]) -> None:
    connection = Connection()
    connection.endpoint.send_headers(1, [(":status", "200")])
    connection.endpoint.send_data(1, b"before")
    frames = connection.frames() + goaway(1)
    connection.endpoint.ping(b"12345678")
    connection.endpoint.send_data(1, b"after", end_stream=True)
    frames += connection.frames()
    for start, end in pairwise([0, *sorted(cuts), len(frames)]):
        connection.read(frames[start:end])
    assert connection.received == [
        "1: Headers",
        "1: before",
        f"3: {NOT_PROCESSED}",
        "1: after",
        "1: EndOfMessage",
    ]
    assert connection.closed
    assert not connection.server.connected


def test_a_warning_comes_before_the_real_goaway() -> None:
    """Servers name the last stream when what was on its way has arrived (RFC 9113 section 6.8)."""
    connection = Connection()
    connection.read(connection.frames() + goaway(ALL))
    assert connection.received == []
    assert not connection.server.connected
    connection.read(goaway(1))
    assert connection.received == [f"3: {NOT_PROCESSED}"]
    assert not connection.closed
    connection.handle(events.ConnectionClosed(connection.server))
    assert connection.received[1:] == ["1: peer closed connection"]
    assert connection.closed


def test_an_error_ends_all_streams() -> None:
    connection = Connection()
    connection.read(connection.frames() + goaway(1, ErrorCodes.ENHANCE_YOUR_CALM))
    assert connection.received == [f"3: {NOT_PROCESSED}", "1: HTTP/2 connection closed by GOAWAY (error 11)"]
    assert connection.closed


def test_what_comes_for_a_stream_that_is_not_processed_is_ignored() -> None:
    connection = Connection()
    connection.endpoint.send_headers(3, [(":status", "200")])
    connection.endpoint.send_data(3, b"late", end_stream=True)
    late = connection.frames()
    connection.read(goaway(1) + late)
    assert connection.received == [f"3: {NOT_PROCESSED}"]
    assert not connection.closed
