"""What mitmproxy says of headers that it cannot read is logged, and the headers are not: a key may be in them."""

import logging
from collections.abc import Iterator

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.proxy import commands, events, server
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layer import Layer
from mitmproxy.proxy.layers.http import Http1Server, Http2Server
from mitmproxy.test import taddons

from codex_transform.proxy.addons.log_redaction import LogRedaction

KEY = "sk-of-a-client-0123456789"
FIELDS = [(":method", "POST"), (":scheme", "https"), (":authority", "api.openai.com"), (":path", "/v1/responses")]


@pytest.fixture
def _redacted() -> Iterator[None]:
    addon = LogRedaction()
    addon.load(None)
    yield
    addon.done()


def said_of(kind: type[Http1Server | Http2Server], data: bytes) -> str:
    """Return what mitmproxy's own connection says of a client that sends this and leaves."""
    with taddons.context(Proxyserver()) as mitmproxy:
        client = Client(peername=("c", 1), sockname=("p", 2), timestamp_start=0, state=ConnectionState.OPEN)
        layer: Layer = kind(Context(client, mitmproxy.options))
        received = (events.Start(), events.DataReceived(client, data), events.ConnectionClosed(client))
        done = [command for event in received for command in layer.handle_event(event)]
    (said,) = [command.message for command in done if isinstance(command, commands.Log)]
    return said


def over_http2(value: str) -> bytes:
    config = H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
    connection = H2Connection(config)
    connection.initiate_connection()
    connection.send_headers(1, [*FIELDS, ("authorization", value)])
    sent: bytes = connection.data_to_send()
    return sent


@pytest.mark.usefixtures("_redacted")
@pytest.mark.parametrize(
    ("kind", "data", "said"),
    [
        (
            Http1Server,
            f"POST /v1/responses HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n".encode(),
            "Client closed connection before completing request headers …",
        ),
        (
            Http1Server,
            f"POST /v1/responses HTTP/1.1\r\nAuthorization Bearer '{KEY}'\r\n\r\n".encode(),
            "c:1: Invalid header line …",
        ),
        (
            Http2Server,
            over_http2(f"Bearer {KEY} "),
            "c:1: HTTP/2 protocol error: Received header value surrounded by whitespace …",
        ),
    ],
)
async def test_headers_that_cannot_be_read_are_not_logged(
    caplog: pytest.LogCaptureFixture, kind: type[Http1Server | Http2Server], data: bytes, said: str
) -> None:
    line = said_of(kind, data)
    assert KEY in line
    with caplog.at_level(logging.INFO):
        logging.getLogger(server.__name__).info(line)
    assert caplog.messages == [said]


@pytest.mark.usefixtures("_redacted")
@pytest.mark.parametrize("line", ["client connect", "error: can't connect (b and 'c')", "mitmproxy has crashed!"])
def test_other_lines_stay(caplog: pytest.LogCaptureFixture, line: str) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger(server.__name__).info(line)
    assert caplog.messages == [line]
