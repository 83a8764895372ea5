"""The sandbox endpoint with HTTP/2, for tests: the same responses and faults, in h2 frames over TLS.

Strategy: the h2 library handles the protocol, asyncio the bytes, and the sandbox's own backend makes the responses. The
ways to break off become those of HTTP/2: a reset is RST_STREAM, a cut is GOAWAY and the end of the connection. A test
can also have it send GOAWAY and go on, as servers do when they reload, and hold all answers meanwhile.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes
from hyperframe.frame import GoAwayFrame

from codex_transform.sandbox.backend import Backend
from codex_transform.sandbox.connection import Request
from codex_transform.sandbox.journal import Journal, RecordedRequest, headers_for_record
from codex_transform.sandbox.planned_response import End, PlannedResponse, Step, Wait


class H2Endpoint:
    """`url`, `key`, `requests` and `wait` are as in the sandbox. It speaks only HTTP/2 over TLS."""

    def __init__(self, certfile: Path, max_streams: int) -> None:
        self.max_streams = max_streams
        self.key = "sk-sandbox-h2-0123456789abcdef"
        self.url = ""
        self.opened = 0
        self._backend = Backend(self.key, None, 0.0, False)
        self._journal = Journal()
        self._connections: dict[asyncio.Task[None], _Connection] = {}
        self._loop = asyncio.new_event_loop()
        self._stopped = asyncio.Event()
        self._held_from = 0
        self._released = asyncio.Event()
        self._released.set()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certfile)
        self._tls.set_alpn_protocols(["h2"])

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self._journal.all()

    def forget(self) -> None:
        self._journal.clear()

    def hold(self, steps: int = 1) -> None:
        """Stop every answer after its first bytes, or before its head if `steps` is 0, until `release`."""
        self._held_from = steps
        self._loop.call_soon_threadsafe(self._released.clear)

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._released.set)

    async def may_send(self, step: int) -> None:
        """Wait until an answer may go on to this step; 0 is its head and its first bytes."""
        if step >= self._held_from:
            await self._released.wait()

    def go_away(self, last_stream: int | None = None, error: ErrorCodes = ErrorCodes.NO_ERROR) -> None:
        """Send GOAWAY on every connection, and answer no stream above `last_stream` (None: none after these).

        With an error the connections are closed as well; else that is left to the proxy.
        """

        def send() -> None:
            for connection in self._connections.values():
                connection.go_away(last_stream, error)

        self._loop.call_soon_threadsafe(send)

    @property
    def connected(self) -> int:
        """The number of connections that are open."""
        return len(self._connections)

    def run(self, started: Callable[[], None]) -> None:
        """Serve until `stop` is called. Calls `started` once the URL is known."""
        self._loop.run_until_complete(self._serve(started))
        self._loop.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)

    def wait(self, until: Callable[[list[dict[str, Any]]], bool], seconds: float = 5.0) -> bool:
        return self._journal.wait(until, seconds)

    async def _serve(self, started: Callable[[], None]) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self._tls, ssl_shutdown_timeout=1.0)
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started()
        await self._stopped.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def answer(self, request: Request, connection: int) -> tuple[RecordedRequest, PlannedResponse]:
        """Record a request and return the sandbox's response."""
        headers = headers_for_record(request.headers)
        received = RecordedRequest(request.method, request.target, headers, request.body, connection)
        planned = self._backend.respond(request, request.target, received, self.url)
        planned.headers["x-request-id"] = f"req_sandbox_h2_{connection}"
        received.status = planned.status
        self._journal.add(received)
        return received, planned

    def finish(self, received: RecordedRequest, *, cancelled: bool) -> None:
        """Note that the response to a recorded request has ended."""
        self._journal.finish(received, cancelled=cancelled)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.opened += 1
        connection = self._connections[task] = _Connection(self, self.opened, reader, writer)
        # An answer that was sent while the connection was being closed is an SSLError.
        with suppress(asyncio.CancelledError, ConnectionError, ProtocolError, ssl.SSLError):
            await connection.run()
        writer.close()
        del self._connections[task]


class _Connection:
    """One client's connection: a task for each stream, all of them writing through the same h2 state."""

    def __init__(
        self, endpoint: H2Endpoint, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._endpoint = endpoint
        self._number = number
        self._reader = reader
        self._writer = writer
        self._http = H2Connection(H2Configuration(client_side=False))
        self._http.local_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = endpoint.max_streams
        self._http.local_settings.acknowledge()
        self._last_stream = 2**31 - 1
        self._receiving: dict[int, tuple[list[tuple[str, str]], bytearray]] = {}
        self._answers: dict[int, asyncio.Task[None]] = {}
        self._window = asyncio.Event()

    async def run(self) -> None:
        self._http.initiate_connection()
        try:
            await self._flush()
            while data := await self._reader.read(65536):
                for event in self._http.receive_data(data):
                    self._handle(event)
                self._window.set()
                await self._flush()
        finally:
            for task in self._answers.values():
                task.cancel()
            await asyncio.gather(*self._answers.values(), return_exceptions=True)

    def go_away(self, last_stream: int | None, error: ErrorCodes) -> None:
        if self._writer.is_closing():
            return
        last_stream = self._http.highest_inbound_stream_id if last_stream is None else last_stream
        self._last_stream = min(self._last_stream, last_stream)  # a later GOAWAY must not name a higher one
        # h2's own `close_connection` allows nothing after it.
        self._writer.write(GoAwayFrame(0, last_stream_id=self._last_stream, error_code=error).serialize())
        for stream, answer in self._answers.items():
            if stream > self._last_stream:
                answer.cancel()
        if error:
            self._writer.close()

    def _handle(self, event: Event) -> None:
        if getattr(event, "stream_id", 0) > self._last_stream:
            return
        match event:
            case RequestReceived():
                headers = [(name.decode(), value.decode()) for name, value in event.headers]
                self._receiving[event.stream_id] = (headers, bytearray())
            case DataReceived():
                self._receiving[event.stream_id][1].extend(event.data)
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case StreamEnded():
                headers, body = self._receiving.pop(event.stream_id)
                pseudo_headers = dict(headers)
                fields = [(name, value) for name, value in headers if not name.startswith(":")]
                request = Request(pseudo_headers[":method"], pseudo_headers[":path"], fields, bytes(body))
                self._answers[event.stream_id] = asyncio.create_task(self._answer(event.stream_id, request))
            case StreamReset() if event.stream_id in self._answers:
                self._answers[event.stream_id].cancel()

    async def _answer(self, stream: int, request: Request) -> None:
        received, planned = self._endpoint.answer(request, self._number)
        cancelled = True
        try:
            await self._endpoint.may_send(0)
            self._http.send_headers(stream, [(":status", str(planned.status)), *planned.headers.items()])
            await self._flush()
            for number, step in enumerate(planned.steps()):
                await self._endpoint.may_send(number)
                if not await self._step(stream, step):
                    break
                received.sent += len(step) if isinstance(step, bytes) else 0
            else:
                self._http.end_stream(stream)
            await self._flush()
            cancelled = False
        finally:
            self._endpoint.finish(received, cancelled=cancelled)

    async def _step(self, stream: int, step: Step) -> bool:
        """Do one step; return False if it was the last."""
        match step:
            case bytes():
                await self._send(stream, step)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case End.HANG:
                await asyncio.get_running_loop().create_future()
            case End.RESET:
                self._http.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
                return False
            case End.CUT:
                self._http.close_connection()
                await self._flush()
                self._writer.close()
                return False
            case _:
                raise AssertionError(f"HTTP/2 has no such step: {step}")
        return True

    async def _send(self, stream: int, data: bytes) -> None:
        while data:
            room = min(self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size)
            if room <= 0:
                self._window.clear()
                await self._window.wait()
                continue
            self._http.send_data(stream, data[:room])
            data = data[room:]
            await self._flush()

    async def _flush(self) -> None:
        self._writer.write(self._http.data_to_send())
        await self._writer.drain()
        # `drain` does not yield to the event loop if the kernel takes everything at once.
        await asyncio.sleep(0)


@contextmanager
def running(certfile: Path, max_streams: int = 100) -> Iterator[H2Endpoint]:
    """Run an endpoint in a thread of its own; it allows `max_streams` at a time on a connection."""
    endpoint, ready = H2Endpoint(certfile, max_streams), threading.Event()
    thread = threading.Thread(target=endpoint.run, args=(ready.set,), daemon=True)
    thread.start()
    try:
        assert ready.wait(30)
        yield endpoint
    finally:
        endpoint.stop()
        thread.join(30)
