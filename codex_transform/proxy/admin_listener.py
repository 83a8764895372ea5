"""A small HTTP server for those who watch over the proxy: pages to be read, by GET or HEAD, and nothing else.

It runs in mitmproxy's event loop, so it is strict: one request a connection, short, without a body, and all of it
within a few seconds; a bounded number of connections. A request has to name this machine as its host: a web page whose
name is made to lead here (DNS rebinding) names its own. Where there is a token, it has to be sent with each request.
"""

import asyncio
import hmac
import logging
import re
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple

import h11

from codex_transform.endpoint.hosts import is_loopback
from codex_transform.jsonio import dumps

logger = logging.getLogger(__name__)

TIME_LIMIT = 5.0
"""Seconds that a connection may take from its beginning to its end."""

MAX_HEAD = 8192
MAX_CONNECTIONS = 32

_READ = 4096
_MAX_REST = 65_536  # bytes of a client that goes on talking once it has its answer
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:\[\]/@]+)(?::[0-9]{1,5})?")
_BODY_HEADERS = (b"content-length", b"transfer-encoding")
_METHODS = (b"GET", b"HEAD")


class Page(NamedTuple):
    """An answer."""

    status: int
    content_type: str
    body: bytes


class AdminListener:
    """Serves `pages`, by their paths, on one address."""

    def __init__(
        self,
        host: str,
        port: int,
        pages: Mapping[str, Callable[[], Awaitable[Page]]],
        time_limit: float = TIME_LIMIT,
        token: str | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._pages = pages
        self._time_limit = time_limit
        self._token = token
        self._names = {host.lower()} if is_loopback(host) else {host.lower(), socket.gethostname().lower()}
        self._tasks: set[asyncio.Task[object]] = set()
        self._server: asyncio.Server | None = None
        self._closed = False

    async def start(self) -> str | None:
        """Begin to listen; return the address, with the port that the system chose, None if it was closed meanwhile.

        Raises OSError.
        """
        server = await asyncio.start_server(self._serve, self._host, self._port, limit=2 * MAX_HEAD)
        if self._closed:
            server.close()
            return None
        self._server = server
        host, port = server.sockets[0].getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self) -> None:
        """Stop listening and drop all connections."""
        self._closed = True
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or self._closed or len(self._tasks) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        self._tasks.add(task)
        try:
            async with asyncio.timeout(self._time_limit):
                await self._talk(reader, writer)
        # A client that is too slow or has left, and the end of the listener, which nobody need be told of.
        except (TimeoutError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)
        try:
            request = await _receive(http, reader)
        except h11.RemoteProtocolError as error:
            page = _refusal(error.error_status_hint)
            request = None
        else:
            if request is None:
                return
            here = writer.get_extra_info("sockname")[0]
            page = _refused(request, {*self._names, here}, self._token) or await self._page(request)
        for data in _written(http, page, with_body=request is None or request.method != b"HEAD"):
            writer.write(data)
        await writer.drain()
        # Closing at once, with bytes of the client unread, would take the answer away from it.
        writer.write_eof()
        rest = 0
        while rest < _MAX_REST and (data := await reader.read(_READ)):
            rest += len(data)

    async def _page(self, request: h11.Request) -> Page:
        make = self._pages.get(request.target.partition(b"?")[0].decode("latin-1"))
        if make is None:
            return _refusal(HTTPStatus.NOT_FOUND)
        try:
            return await make()
        except Exception:
            logger.exception("a page of the admin listener failed")
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR)


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Return whether the value of a Host header names loopback, or is one of these names and addresses."""
    match = _HOST.fullmatch(host.lower())
    name = match[1].strip("[]") if match else ""
    return bool(name) and (is_loopback(name) or name in names)


def json_page(status: int, value: object) -> Page:
    """Return a page with a JSON object."""
    return Page(status, "application/json", dumps(value) + b"\n")


async def _receive(http: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    """Return the head of the request, None if the client has left. Raises RemoteProtocolError for what is no HTTP."""
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.read(_READ))
    return event if isinstance(event, h11.Request) else None


def _refused(request: h11.Request, names: Collection[str], token: str | None) -> Page | None:
    """Return the answer to a request that gets no page."""
    # HTTP/1.0, which health checks speak and no browser, may come without one.
    host = next((value.decode("latin-1") for name, value in request.headers if name == b"host"), None)
    if host is not None and not is_own_host(host, names):
        return _refusal(HTTPStatus.MISDIRECTED_REQUEST)
    if token is not None:
        sent = next((value for name, value in request.headers if name == b"authorization"), b"")
        if not hmac.compare_digest(sent, f"Bearer {token}".encode()):
            return _refusal(HTTPStatus.UNAUTHORIZED)
    if request.method not in _METHODS:
        return _refusal(HTTPStatus.METHOD_NOT_ALLOWED)
    if any(name in _BODY_HEADERS and value != b"0" for name, value in request.headers):
        return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return None if request.target.startswith(b"/") else _refusal(HTTPStatus.BAD_REQUEST)


def _refusal(status: int) -> Page:
    return json_page(status, {"error": HTTPStatus(status).phrase})


def _written(http: h11.Connection, page: Page, *, with_body: bool) -> Iterator[bytes]:
    """Yield the answer as it is sent; nothing where a client's beginning was so broken that it can get none."""
    headers = [
        ("Content-Type", page.content_type),
        ("Content-Length", str(len(page.body))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
    ]
    if page.status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("Allow", ", ".join(method.decode() for method in _METHODS)))
    with suppress(h11.LocalProtocolError):
        reason = HTTPStatus(page.status).phrase
        yield http.send(h11.Response(status_code=page.status, headers=headers, reason=reason)) or b""
        if with_body:
            yield http.send(h11.Data(data=page.body)) or b""
