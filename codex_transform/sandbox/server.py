"""The sandbox: listens on loopback, routes each request, and keeps the record.

Strategy: one task per connection. A request for the sandbox's own pages goes to `control`, any other to `backend`;
either returns a planned response, which the connection sends.
"""

import asyncio
import ipaddress
import logging
import secrets
import ssl
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from types import TracebackType
from typing import Any, Self

from codex_transform.sandbox import control
from codex_transform.sandbox.backend import Backend
from codex_transform.sandbox.connection import BadRequestError, Connection, Request
from codex_transform.sandbox.journal import Journal, RecordedRequest, headers_for_record
from codex_transform.sandbox.planned_response import whole

_log = logging.getLogger(__name__)


class Sandbox:
    """A strict Codex endpoint on this machine, as an async context manager or by `start` and `stop`.

    `host` must be a loopback address; `port` 0 lets the kernel choose. Without a `key` one is made up. `models` are
    the slugs it knows (default: the catalogue, less what are only aliases). With `certfile` (and `keyfile`) it speaks
    TLS. `delay` is the pause after each delta, in seconds. `fill_output` makes terminal events complete.
    `misbehave` is a name from the table in `faults/table.py`. `log` gets one line per request.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        key: str | None = None,
        models: Iterable[str] | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        delay: float = 0.0,
        fill_output: bool = False,
        misbehave: str | None = None,
        log: Callable[[str], None] | None = None,
    ) -> None:
        self.host = _loopback(host)
        self.port = port
        self.key = key or f"sk-sandbox-{secrets.token_hex(8)}"
        self._tls = _tls(certfile, keyfile)
        self._log = log or (lambda _line: None)
        self._backend = Backend(self.key, models, delay, fill_output)
        self._plan = self._backend.plan
        self._journal = Journal()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._opened = 0
        if misbehave:
            self._plan.set(misbehave)

    @property
    def url(self) -> str:
        """The origin to reach it by, `http://127.0.0.1:PORT`. The port is known once it has started."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The last requests, oldest first, with the members of `RecordedRequest`.

        Those for the sandbox's own pages are left out.
        """
        return self._journal.all()

    def forget(self) -> None:
        """Forget the requests received so far."""
        self._journal.clear()

    def wait(self, until: Callable[[list[dict[str, Any]]], bool], seconds: float = 30.0) -> bool:
        """Block until `until` is true of the requests, at most `seconds`, and return whether it is.

        This must not be called in the thread of the sandbox's event loop.
        """
        return self._journal.wait(until, seconds)

    def misbehave(
        self, name: str, times: int | None = None, at: int | None = None, with_tools: bool | None = None
    ) -> None:
        """Answer the next `times` requests with a fault: see `FaultPlan.set`. Raises UnknownFaultError."""
        self._plan.set(name, times, at, with_tools)

    def behave(self) -> None:
        """Answer without faults again."""
        self._plan.clear()

    async def start(self) -> str:
        """Listen, and return the URL. Raises OSError if the port is taken."""
        self._server = await asyncio.start_server(
            self._serve,
            self.host,
            self.port,
            backlog=1024,
            ssl=self._tls,
            # A client that was cut off sends no close_notify, and TLS would wait for it for half a minute.
            ssl_shutdown_timeout=1.0 if self._tls else None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self.url

    async def stop(self) -> None:
        """Stop listening and drop all connections."""
        if self._server is None:
            return
        # asyncio does not close a connection that it has accepted but not yet handed over when its server closes.
        await _turns()
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        # From Python 3.12 on this waits for connections too, and one may still be at its TLS handshake.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._server.wait_closed(), 1)
        self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._server is None or not self._server.is_serving():
            writer.transport.abort()
            return
        self._connections.add(task)
        self._opened += 1
        connection = Connection(reader, writer)
        # Only `stop` cancels, and it waits for this to end: nobody else needs to know.
        with suppress(asyncio.CancelledError):
            try:
                await self._talk(connection, self._opened)
            except BadRequestError as error:
                await connection.answer(whole(400, {"detail": f"Bad request: {error}"}), lambda _length: None)
            except ConnectionError:
                pass
            except Exception:
                _log.exception("the sandbox failed to answer")
            finally:
                await connection.close()
        self._connections.discard(task)

    async def _talk(self, connection: Connection, number: int) -> None:
        while request := await connection.receive():
            path = _path(request.target)
            if path == control.PREFIX or path.startswith(f"{control.PREFIX}/"):
                planned = control.control(request, path, self._journal, self._plan)
                planned.headers["x-codex-sandbox"] = "1"
                await connection.answer(planned, lambda _length: None)
            else:
                await self._work(connection, number, request, path)
            if not connection.again():
                return

    async def _work(self, connection: Connection, number: int, request: Request, path: str) -> None:
        received = RecordedRequest(
            request.method, request.target, headers_for_record(request.headers), request.body, number
        )
        planned = self._backend.respond(request, path, received, self.url)
        planned.headers |= {"x-codex-sandbox": "1", "x-request-id": f"req_sandbox_{uuid.uuid4().hex}"}
        received.status = planned.status
        self._journal.add(received)

        def sent(length: int) -> None:
            received.sent += length
            received.writes += 1

        left = False
        try:
            left = not await connection.answer(planned, sent)
        finally:
            self._journal.finish(received, cancelled=left)
            self._log(received.line())


@contextmanager
def running(sandbox: Sandbox | None = None) -> Iterator[Sandbox]:
    """Run a sandbox (default: one with default options) in a thread of its own, for synchronous tests and scripts."""
    sandbox = sandbox or Sandbox()
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="codex-sandbox", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(sandbox.start(), loop).result()
        yield sandbox
    finally:
        asyncio.run_coroutine_threadsafe(_end(sandbox), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(sandbox: Sandbox) -> None:
    """Stop it, with what the loop still does for connections that are not made yet."""
    await sandbox.stop()
    await _turns()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await _turns()


async def _turns() -> None:
    """Give the event loop a few turns, so that it runs what is scheduled."""
    for _ in range(3):
        await asyncio.sleep(0)


def _path(target: str) -> str:
    path = target.partition("?")[0]
    # A client that uses the sandbox as its proxy names the host too.
    return "/" + path.partition("://")[2].partition("/")[2] if "://" in path else path


def _loopback(host: str) -> str:
    # The name may stand for two addresses, and then there would be two ports.
    host = "127.0.0.1" if host == "localhost" else host
    try:
        if ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise ValueError(f"the sandbox listens on loopback only: give 127.0.0.1 or ::1 as host, not {host!r}")


def _tls(certfile: str | None, keyfile: str | None) -> ssl.SSLContext | None:
    if certfile is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certfile, keyfile)
    return context
