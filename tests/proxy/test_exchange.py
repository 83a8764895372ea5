"""What one exchange leaves behind, and how many writes it takes."""

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
    """mitmproxy's HTTP layer with our stream in it, and hooks that do what our addons do."""

    def __init__(self) -> None:
        client = Client(peername=("c", 1), sockname=("p", 2), timestamp_start=0, state=ConnectionState.OPEN)
        self.context = Context(client, Options())
        # Options of an addon of mitmproxy's own.
        for name in ("validate_inbound_headers", "store_streamed_bodies", "websocket", "keep_host_header", "rawtcp"):
            self.context.options.add_option(name, bool, False, "")
        for name in ("stream_large_bodies", "body_size_limit"):
            self.context.options.add_option(name, str | None, None, "")
        self.flow: http.HTTPFlow | None = None
        self.written: list[bytes] = []
        self.layer = HttpLayer(self.context, HTTPMode.regular)
        self.server = self.context.server
        self.wakeups: list[commands.RequestWakeup] = []
        self.handle(events.Start())

    def handle(self, event: events.Event) -> None:
        """An event, and all that it leads to."""
        self.do(self.layer.handle_event(event))

    def receive(self, event: HttpEvent) -> None:
        """An event for the first request's stream, as any version of HTTP makes it."""
        self.do(self.layer.event_to_child(self.layer.streams[1], event))

    def do(self, wanted: Iterable[commands.Command]) -> None:
        for command in list(wanted):
            if isinstance(command, commands.OpenConnection):
                self.server = command.connection
                self.server.state = ConnectionState.OPEN
                self.handle(events.OpenConnectionCompleted(command, None))
            elif isinstance(command, commands.StartHook):
                self.ask(command)
                self.handle(events.HookCompleted(command))
            elif isinstance(command, commands.RequestWakeup):
                self.wakeups.append(command)
            elif isinstance(command, commands.SendData):
                self.written.append(command.data)

    def ask(self, hook: commands.StartHook) -> None:
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
async def test_a_finished_flow_is_gone_after_the_next_check() -> None:
    proxy = Proxy()
    proxy.handle(events.DataReceived(proxy.context.client, REQUEST))
    body = stream(answer())
    proxy.handle(events.DataReceived(proxy.server, HEAD + b"%x\r\n%b\r\n" % (len(body), body) + b"0\r\n\r\n"))
    assert body in b"".join(proxy.written)
    assert proxy.flow is not None
    gone = ref(proxy.flow)
    proxy.flow = None
    (wakeup,) = proxy.wakeups
    proxy.wakeups.clear()
    assert wakeup.delay <= 0.5
    proxy.handle(events.Wakeup(wakeup))
    assert not proxy.wakeups
    gc.collect()
    assert gone() is None


@pytest.mark.usefixtures("layers")
@pytest.mark.parametrize("come", [0, 1, 2])
async def test_trailers_of_http2_end_at_the_proxy(come: int) -> None:
    """In front of, among and behind the events. mitmproxy gives up on them where the client speaks HTTP/1."""
    proxy = Proxy()
    proxy.handle(events.DataReceived(proxy.context.client, REQUEST))
    body = stream(answer())
    pieces = [body[:100], body[100:]]
    arrived = [
        ResponseHeaders(1, http.Response.make(200, b"", {"transfer-encoding": "chunked"})),
        *(ResponseData(1, piece) for piece in pieces),
    ]
    arrived.insert(1 + come, ResponseTrailers(1, http.Headers(x_sum="1")))
    for event in (*arrived, ResponseEndOfMessage(1)):
        proxy.receive(event)
    written = b"".join(proxy.written)
    assert b"response.completed" in written
    assert written.endswith(b"\r\n0\r\n\r\n")
    assert b"x-sum" not in written.lower()


@pytest.mark.usefixtures("layers")
async def test_what_one_read_brings_leaves_in_one_write() -> None:
    """Headers and body leave by themselves, but not each chunk of the endpoint's, as with bare mitmproxy."""
    proxy = Proxy()
    proxy.handle(events.DataReceived(proxy.context.client, REQUEST))
    assert len(proxy.written) == 2
    chunks = [b"%x\r\n%b\r\n" % (len(each), each) for each in (stream([event]) for event in answer())]
    proxy.handle(events.DataReceived(proxy.server, HEAD + chunks[0]))
    assert len(proxy.written) == 4
    proxy.handle(events.DataReceived(proxy.server, b"".join(chunks[1:]) + b"0\r\n\r\n"))
    assert len(proxy.written) == 6
