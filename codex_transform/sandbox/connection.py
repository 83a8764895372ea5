"""One client's connection: requests in, planned responses out.

Strategy: h11 handles the rules of HTTP/1.1 (keep-alive, chunks, 100-continue), asyncio the bytes. While a response is
sent, a second task keeps reading, so a client that disconnects is noticed at once even during a pause. Each step is
flushed before the next, so nothing that was sent is lost when a response ends in a reset.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

import h11

from codex_transform.sandbox.planned_response import End, PlannedResponse, Raw, Wait

LONGEST_HEAD = 256 * 1024
LONGEST_BODY = 128 * 1024 * 1024
LONGEST_PIPELINE = 1024 * 1024
_READ = 65536

# SO_LINGER on, for zero seconds: closing the socket resets it. Windows has shorter numbers there.
_LINGER = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)


class BadRequestError(Exception):
    """The request is not HTTP/1.1, or too large for the sandbox."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request as received, the body still in its content coding. Headers have lower-case names."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes


class Connection:
    """Call `receive`, `answer` and `again` in turn until one of them reports the end, and `close` in any case."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        # `drain` then waits until the kernel has everything. (Zero would stop asyncio's TLS transport for ever.)
        writer.transport.set_write_buffer_limits(high=1, low=0)

    async def receive(self) -> Request | None:
        """Return the next request, None if the client closed first. Raises BadRequestError or ConnectionError."""
        try:
            head = await self._next_event()
            if not isinstance(head, h11.Request):
                return None
            if self._http.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            body = bytearray()
            while isinstance(event := await self._next_event(), h11.Data):
                body += event.data
                if len(body) > LONGEST_BODY:
                    raise BadRequestError(f"the body is longer than {LONGEST_BODY} bytes")
        except h11.RemoteProtocolError as error:
            raise BadRequestError(str(error)) from None
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
        return Request(head.method.decode(), head.target.decode("latin-1"), headers, bytes(body))

    async def answer(self, planned: PlannedResponse, sent: Callable[[int], None]) -> bool:
        """Send a response and return whether the client stayed; `sent` gets the length of each piece of its body."""
        play = asyncio.create_task(self._play(planned, sent))
        watch = asyncio.create_task(self._watch())
        try:
            await asyncio.wait((play, watch), return_when=asyncio.FIRST_COMPLETED)
            if not play.done():
                return False
            with suppress(ConnectionError):
                await play
                return True
            return False
        finally:
            play.cancel()
            watch.cancel()
            await asyncio.gather(play, watch, return_exceptions=True)

    def again(self) -> bool:
        """Get ready for another request, and return whether there can be one."""
        if self._writer.is_closing() or {self._http.our_state, self._http.their_state} != {h11.DONE}:
            return False
        self._http.start_next_cycle()
        return True

    async def close(self) -> None:
        """Close the connection. Raises nothing."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _next_event(self) -> h11.Event | None:
        """Return None if the client sends a request before it has its answer: there h11 pauses."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._reader.read(_READ))
        return event if isinstance(event, h11.Event) else None

    async def _watch(self) -> None:
        """End when the client has left. What it sends meanwhile is the next request, kept for later."""
        early = 0
        while (data := await self._reader.read(_READ)) and early < LONGEST_PIPELINE:
            early += len(data)
            self._http.receive_data(data)

    async def _play(self, planned: PlannedResponse, sent: Callable[[int], None]) -> None:
        if planned.head:
            reason = HTTPStatus(planned.status).phrase.encode()
            headers = list(planned.headers.items())
            await self._send(h11.Response(status_code=planned.status, headers=headers, reason=reason))
        for step in planned.steps():
            match step:
                case bytes():
                    await self._send(h11.Data(data=step))
                    sent(len(step))
                case Raw(data):
                    await self._write(data)
                    sent(len(data))
                case Wait(seconds):
                    await asyncio.sleep(seconds)
                case End():
                    await self._end(step)
                    return
        if planned.head:
            await self._send(h11.EndOfMessage())

    async def _end(self, end: End) -> None:
        if end is End.HANG:
            await asyncio.get_running_loop().create_future()
        elif end is End.RESET:
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            self._writer.transport.abort()
        else:
            self._writer.close()

    async def _send(self, event: h11.Event) -> None:
        # h11 returns None where there is nothing to send, as for the end of a body of known length.
        await self._write(self._http.send(event) or b"")

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
        # `drain` does not yield to the event loop if the kernel takes everything at once.
        await asyncio.sleep(0)
