"""The endpoint that the benchmark's proxies lead to, a process of its own: `python3 bench_endpoint.py`.

Strategy: it must never be what is measured, so answers are bytes made beforehand, requests are counted rather than
read, and all of it runs on a bare asyncio protocol. The request header `x-bench` says which answer to give, as a kind
and a number; `x-request-id` where a proxy hands on no other. It prints its port, and ends when its standard input does.
"""

import asyncio
import sys
import time
from collections.abc import Iterator
from functools import cache

import bench_bodies
from bench_bodies import chunk

PACE = 50  # events a second, of an answer that comes in its own time
PAUSE = 0.005  # seconds after the first event, in an answer whose first event is what counts

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_END = b"0\r\n\r\n"
_STAMP = 19  # digits


class Connection(asyncio.Protocol):
    """One connection: requests in, their answers out."""

    def __init__(self) -> None:
        self._head = b""
        self._missing = 0
        self._wanted = ("", 0)
        self._pieces: Iterator[bytes] = iter(())
        self._full = False

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
            wanted = fields.get(b"x-bench") or fields.get(b"x-request-id")
            if wanted is None:  # some look for models first
                self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
                return
            kind, number = wanted.decode().split()
            self._wanted = (kind, int(number))
            self._missing = int(fields[b"content-length"])
        self._missing -= len(data)
        if not self._missing:
            self._answer(*self._wanted)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._write()

    def _answer(self, kind: str, number: int) -> None:
        match kind:
            case "small":  # nine events at once
                self._transport.write(b"".join(small()))
            case "first":  # the first of them, and the rest when that must have arrived
                first, *rest = small()
                self._transport.write(first)
                asyncio.get_running_loop().call_later(PAUSE, self._transport.write, b"".join(rest))
            case "deltas":  # that many, as fast as they are taken
                self._pieces = iter([deltas(number)])
            case "megabytes":  # that many, as fast as they are taken
                self._pieces = iter([_HEAD, *megabytes(number), _END])
            case "paced":  # that many deltas in their own time
                self._transport.write(b"".join(small()[:2]))
                self._tick(asyncio.get_running_loop().time(), number)
        self._write()

    def _write(self) -> None:
        while not self._full and (piece := next(self._pieces, None)):
            self._transport.write(piece)

    def _tick(self, now: float, left: int) -> None:
        """Writes a delta whose text is the time, then the next one when it is due."""
        if self._transport.is_closing():
            return
        if left:
            before, after = stamped()
            self._transport.write(b"%b%0*d%b" % (before, _STAMP, time.monotonic_ns(), after))
            due = now + 1 / PACE
            asyncio.get_running_loop().call_at(due, self._tick, due, left - 1)
        else:
            self._transport.write(small()[2])


@cache
def small() -> tuple[bytes, bytes, bytes]:
    """The smallest answer: what brings the first event, the others before its text, and the rest."""
    first, *opening = map(chunk, bench_bodies.small())
    return _HEAD + first, b"".join(opening[:3]), b"".join(opening[3:]) + _END


@cache
def deltas(count: int) -> bytes:
    """An answer with that many deltas."""
    return _HEAD + b"".join(map(chunk, bench_bodies.deltas(count))) + _END


@cache
def megabytes(count: int) -> list[bytes]:
    """The pieces of an answer of that many megabytes, most of them the same."""
    return list(bench_bodies.megabytes(count))


@cache
def stamped() -> tuple[bytes, bytes]:
    """A delta, cut where the time belongs."""
    text = "0" * _STAMP
    before, _, after = chunk(bench_bodies.Events().delta(text)).partition(text.encode())
    return before, after


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
