"""The benchmark's endpoint, which runs as a separate process: `python3 bench_endpoint.py`.

Strategy: its own cost must not show in the figures, so responses are prepared in advance, request bodies are skipped
rather than parsed, and it is a bare asyncio protocol. The request header `x-bench` selects the response by a kind and a
number; `x-request-id` does so for proxies that forward no other header. It prints its port, and ends when its standard
input is closed.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from functools import cache

import bench_bodies
from bench_bodies import chunk

PACE = 50  # events per second of a paced response
PAUSE = 0.005  # seconds between the first event and the rest, in a response that measures the first event

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_TIMESTAMP_DIGITS = 19


class Connection(asyncio.Protocol):
    """A connection from a proxy: each request is answered with the response that its header selects."""

    def __init__(self) -> None:
        self._head = b""
        self._missing = 0  # bytes of the request body
        self._selection = ("", 0)
        self._parts: Iterator[bytes] = iter(())
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            head, blank, data = (self._head + data).partition(b"\r\n\r\n")
            self._head = b"" if blank else head
            if not blank:
                return
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
            selection = fields.get(b"x-bench") or fields.get(b"x-request-id")
            if selection is None:  # some proxies ask for the models first
                self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                return
            kind, number = selection.decode().split()
            self._selection = (kind, int(number))
            self._missing = int(fields[b"content-length"])
        self._missing -= len(data)
        if not self._missing:
            self._respond(*self._selection)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._write()

    def _respond(self, kind: str, number: int) -> None:
        match kind:
            case "small":  # nine events at once
                self._transport.write(b"".join(small()))
            case "first":  # the first of them, and the rest after a pause
                first, *rest = small()
                self._transport.write(first)
                asyncio.get_running_loop().call_later(PAUSE, self._transport.write, b"".join(rest))
            case "deltas":  # `number` of them, as fast as they are read
                self._parts = iter([deltas(number)])
            case "megabytes":  # `number` of them, as fast as they are read
                self._parts = iter([_HEAD, *megabytes(number), _LAST_CHUNK])
            case "paced":  # `number` deltas, `PACE` per second
                self._transport.write(b"".join(small()[:2]))
                self._send_delta(asyncio.get_running_loop().time(), number)
        self._write()

    def _write(self) -> None:
        while not self._paused and (part := next(self._parts, None)):
            self._transport.write(part)

    def _send_delta(self, now: float, remaining: int) -> None:
        """Send a delta whose text is the current time, and schedule the next; after the last, complete the response."""
        if self._transport.is_closing():
            return
        if remaining:
            before, after = timestamped_delta()
            self._transport.write(b"%b%0*d%b" % (before, _TIMESTAMP_DIGITS, time.monotonic_ns(), after))
            due = now + 1 / PACE
            asyncio.get_running_loop().call_at(due, self._send_delta, due, remaining - 1)
        else:
            self._transport.write(small()[2])


@cache
def small() -> tuple[bytes, bytes, bytes]:
    """Return the response of nine events in three parts: up to the first event, up to the text, and the rest."""
    first, *opening = map(chunk, bench_bodies.small())
    return _HEAD + first, b"".join(opening[:3]), b"".join(opening[3:]) + _LAST_CHUNK


@cache
def deltas(count: int) -> bytes:
    """Return a response with `count` deltas."""
    return _HEAD + b"".join(map(chunk, bench_bodies.deltas(count))) + _LAST_CHUNK


@cache
def megabytes(count: int) -> list[bytes]:
    """Return the body of a response of `count` megabytes, in parts, most of which are the same object."""
    return list(bench_bodies.megabytes(count))


@cache
def timestamped_delta() -> tuple[bytes, bytes]:
    """Return what precedes and what follows the timestamp in a delta."""
    text = "0" * _TIMESTAMP_DIGITS
    before, _, after = chunk(bench_bodies.ResponseEvents().delta(text)).partition(text.encode())
    return before, after


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
