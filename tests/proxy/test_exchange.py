"""One exchange: what remains in memory afterwards, and the number of writes."""

import gc
from collections.abc import Iterable, Iterator
from weakref import ref

import pytest
from mitmproxy import http
from mitmproxy.connection import Client, ConnectionState
from mitmproxy.options import Options
from mitmproxy.proxy import commands, events
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import (
    HttpEvent,
    HttpLayer,
    HTTPMode,
    HttpRequestHeadersHook,
    HttpResponseHeadersHook,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseTrailers,
)
from response.streams import answer, stream

from codex_transform.proxy.call import start_call
from codex_transform.proxy.patches.http_layers import InstallHttpLayers
from codex_transform.proxy.stream_function import StreamFunction
from codex_transform.response.client_view import ClientView
from codex_transform.response.stream import ResponseStream

REQUEST = b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nhost: api.openai.com\r\ncontent-length: 2\r\n\r\n{}"
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class Proxy:
    """mitmproxy's HTTP layer with this project's stream, and hooks that do what its addons do."""

    def __init__(self) -> None:
        client = Client(peername=("c", 1), sockname=("p", 2), timestamp_start=0, state=ConnectionState.OPEN)
        self.context = Context(client, Options())
        # These options belong to one of mitmproxy's own addons.
        for name in ("validate_inbound_headers", "store_streamed_bodies", "websocket", "keep_host_header", "rawtcp"):
            self.context.options.add_option(name, bool, False, "")
        for name in ("stream_large_bodies", "body_size_limit"):
            self.context.options.add_option(name, str | None, None, "")
        self.flow: http.HTTPFlow | None = None
        self.writes: list[bytes] = []
        self.layer = HttpLayer(self.context, HTTPMode.regular)
        self.server = self.context.server
        self.wakeups: list[commands.RequestWakeup] = []
        self.handle(events.Start())

    def handle(self, event: events.Event) -> None:
        """Handles an event, and all that results from it."""
        self.do(self.layer.handle_event(event))

    def receive(self, event: HttpEvent) -> None:
        """Handles an event for the first request's stream, as of any version of HTTP."""
        self.do(self.layer.event_to_child(self.layer.streams[1], event))

    def do(self, pending: Iterable[commands.Command]) -> None:
        for command in list(pending):
            if isinstance(command, commands.OpenConnection):
                self.server = command.connection
                self.server.state = ConnectionState.OPEN
                self.handle(events.OpenConnectionCompleted(command, None))
            elif isinstance(command, commands.StartHook):
                self.run_hook(command)
                self.handle(events.HookCompleted(command))
            elif isinstance(command, commands.RequestWakeup):
                self.wakeups.append(command)
            elif isinstance(command, commands.SendData):
                self.writes.append(command.data)

    def run_hook(self, hook: commands.StartHook) -> None:
        if isinstance(hook, HttpRequestHeadersHook):
            self.flow = hook.flow
            start_call(hook.flow, "").idle_timeout = 300
        elif isinstance(hook, HttpResponseHeadersHook):
            assert hook.flow.response
            hook.flow.response.stream = StreamFunction(ResponseStream(ClientView(), None))


@pytest.fixture
def layers() -> Iterator[None]:
    addon = InstallHttpLayers()
    addon.load(None)  # type: ignore[arg-type]
    yield
    addon.done()


@pytest.mark.usefixtures("layers")
async def test_a_finished_flow_is_freed_after_the_next_check() -> None:
    proxy = Proxy()
    proxy.handle(events.DataReceived(proxy.context.client, REQUEST))
    body = stream(answer())
    proxy.handle(events.DataReceived(proxy.server, HEAD + b"%x\r\n%b\r\n" % (len(body), body) + b"0\r\n\r\n"))
    assert body in b"".join(proxy.writes)
    assert proxy.flow is not None
    freed = ref(proxy.flow)
    proxy.flow = None
    (wakeup,) = proxy.wakeups
    proxy.wakeups.clear()
    assert wakeup.delay <= 0.5
    proxy.handle(events.Wakeup(wakeup))
    assert not proxy.wakeups
    gc.collect()
    assert freed() is None


@pytest.mark.usefixtures("layers")
@pytest.mark.parametrize("position", [0, 1, 2])
async def test_http2_trailers_are_not_forwarded(position: int) -> None:
    """Before, between and after the data. mitmproxy itself fails on them if the client speaks HTTP/1."""
    proxy = Proxy()
    proxy.handle(events.DataReceived(proxy.context.client, REQUEST))
    body = stream(answer())
    pieces = [body[:100], body[100:]]
    received = [
        ResponseHeaders(1, http.Response.make(200, b"", {"transfer-encoding": "chunked"})),
        *(ResponseData(1, piece) for piece in pieces),
    ]
    received.insert(1 + position, ResponseTrailers(1, http.Headers(x_sum="1")))
    for event in (*received, ResponseEndOfMessage(1)):
        proxy.receive(event)
    sent = b"".join(proxy.writes)
    assert b"response.completed" in sent
    assert sent.endswith(b"\r\n0\r\n\r\n")
    assert b"x-sum" not in sent.lower()


@pytest.mark.usefixtures("layers")
async def test_the_chunks_of_one_read_are_sent_in_one_write() -> None:
    """Headers and body are separate writes, but not each of the endpoint's chunks is one, as in plain mitmproxy."""
    proxy = Proxy()
    proxy.handle(events.DataReceived(proxy.context.client, REQUEST))
    assert len(proxy.writes) == 2
    chunks = [b"%x\r\n%b\r\n" % (len(each), each) for each in (stream([event]) for event in answer())]
    proxy.handle(events.DataReceived(proxy.server, HEAD + chunks[0]))
    assert len(proxy.writes) == 4
    proxy.handle(events.DataReceived(proxy.server, b"".join(chunks[1:]) + b"0\r\n\r\n"))
    assert len(proxy.writes) == 6
