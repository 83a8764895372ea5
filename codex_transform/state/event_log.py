"""The event stream of a response, as it grows, for clients that read it again or from the middle."""

import asyncio
from collections.abc import AsyncGenerator

from codex_transform.jsonio import loads_object
from codex_transform.response import sse


class EventLog:
    """The bytes of an event stream so far."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._changed = asyncio.Event()
        self._over = False

    @property
    def data(self) -> bytes:
        """What has come so far."""
        return bytes(self._data)

    def append(self, piece: bytes) -> None:
        """Add what comes next."""
        self._data += piece
        self._wake()

    def close(self) -> None:
        """Note that nothing more will come."""
        self._over = True
        self._wake()

    async def wait_closed(self) -> None:
        """Wait until nothing more will come."""
        while not self._over:
            await self._changed.wait()

    async def read(self, after: int | None = None) -> AsyncGenerator[bytes, None]:
        """Yield the stream behind the event with the sequence number `after`, all that has come at a time."""
        position = offset_after(self.data, after)
        while True:
            changed = self._changed
            if position < len(self._data):
                piece = bytes(self._data[position:])
                position += len(piece)
                yield piece
            elif self._over:
                return
            else:
                await changed.wait()

    def _wake(self) -> None:
        """Have everybody look who waits."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def offset_after(stream: bytes, after: int | None) -> int:
    """Return where the events begin that follow the one with the sequence number `after`; None is before all."""
    offset = 0
    if after is None:
        return offset
    for block in sse.split(stream):
        event = loads_object(sse.parse(block).data or b"") or {}
        number = event.get("sequence_number")
        if isinstance(number, int) and number > after:
            break
        offset += len(block)
    return offset
