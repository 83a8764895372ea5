"""The event-stream format (WHATWG HTML, "Server-sent events"), incrementally and with every byte kept.

Strategy: an event is whatever stands between two blank lines, so cutting a stream into events needs no parser, only
the search for the next blank line. `Splitter` does that and gives out each block of lines exactly as it came, line
ends included; most blocks are passed on and never looked at. `parse` reads the fields of one that matters, `render`
writes a new one.

A line ends in LF, CR or CRLF, so a CR at the end of a chunk is a whole line end, or half of one. It is taken for a
whole one, because an event must not wait; should the LF follow, it comes out as a block of its own.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

BOM = b"\xef\xbb\xbf"

_PIECE = 16 * 1024

# No endpoint means an event to be this long; it is passed on as it comes rather than collected.
LIMIT = 32 * 1024 * 1024

_BLANK_LINE = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_LONGEST_BLANK_LINE = 4


class Splitter:
    """Cuts a byte stream into blocks of lines, each with the blank line that ends it.

    `idle` is True between two blocks. `oversized` is True within a block that is longer than `limit`: use `pass_on`
    for the rest of it.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.idle = True
        self.oversized = False
        self._limit = limit
        self._pending = bytearray()
        self._passed_on = b""
        self._after_cr = False

    def take(self, data: bytes, start: int, stop: int) -> tuple[bytes, int]:
        """Return the block that `data[start:stop]` completes, and where it ends; b"" and `stop` when it completes none.

        When a block outgrows the limit, what there is of it is returned, and `oversized` is True from then on.
        """
        if self._after_cr:
            self._after_cr = False
            self.idle = True
            if data.startswith(b"\n", start):
                return b"\n", start + 1
        if self._pending:
            # The first byte of a second line end makes a blank line: one byte back is enough.
            searched = len(self._pending) - 1
            self._pending += data[start:stop]
            if (end := _end_of_block(self._pending, searched, len(self._pending))) < 0:
                return self._outgrown(), stop
            with memoryview(self._pending) as pending:
                block = bytes(pending[:end])
            end -= len(self._pending) - stop
            self._pending.clear()
        elif (end := _end_of_block(data, start, stop)) < 0:
            self.idle = False
            self._pending += data[start:stop]
            return self._outgrown(), stop
        else:
            block = data[start:end]
        self._ended(block, end == stop)
        return block, end

    def pass_on(self, data: bytes, start: int, stop: int) -> tuple[bytes, int]:
        """Return what `data[start:stop]` has of an oversized block, and where that ends."""
        searched = self._passed_on + data[start:stop]
        if (end := _end_of_block(searched, 0, len(searched))) < 0:
            self._passed_on = searched[-1:]
            return data[start:stop], stop
        end += start - len(self._passed_on)
        self.oversized = False
        self._ended(searched, end == stop)
        return data[start:end], end

    def finish(self) -> bytes:
        """Take the end of the stream; return the last block if its blank line is missing."""
        block = bytes(self._pending)
        self._pending.clear()
        return block

    def _outgrown(self) -> bytes:
        if len(self._pending) <= self._limit + _LONGEST_BLANK_LINE:
            return b""
        block = self.finish()
        self.oversized = True
        self._passed_on = block[-1:]
        return block

    def _ended(self, block: bytes, last: bool) -> None:
        self._after_cr = last and block.endswith(b"\r")
        self.idle = not self._after_cr


def split(stream: bytes) -> Iterator[bytes]:
    """Yield the blocks of a whole stream."""
    splitter = Splitter(len(stream))
    at = 0
    while at < len(stream):
        block, at = splitter.take(stream, at, end_of_piece(stream, at))
        if block:
            yield block
    if block := splitter.finish():
        yield block


def end_of_piece(data: bytes, start: int) -> int:
    """Where the piece ends that `start` lies in: some searches go to its end, and no byte is to be searched often."""
    return min((start // _PIECE + 1) * _PIECE, len(data))


def _end_of_block(data: bytes | bytearray, start: int, stop: int) -> int:
    """Where the first blank line in `data[start:stop]` ends, -1 if there is none."""
    if data.find(b"\r", start, stop) >= 0:
        blank_line = _BLANK_LINE.search(data, start, stop)
        return blank_line.end() if blank_line else -1
    # From line end to line end: the search for one byte is many times as fast as that for two.
    end = data.find(b"\n", start, stop)
    while end >= 0 and data[end + 1 : end + 2] != b"\n":
        end = data.find(b"\n", end + 1, stop)
    return end + 2 if 0 <= end < stop - 1 else -1


class Fields(NamedTuple):
    """What a block says. `name` is its event name and `data` its data, None where it has none.

    `others` are its lines of every other known field, and its comments.
    """

    name: str | None
    data: bytes | None
    others: list[bytes]


def parse(block: bytes) -> Fields:
    """Return the fields of one block; unknown ones are ignored, as the standard says."""
    name = None
    data = []
    others = []
    for line in block.splitlines():
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode(errors="replace")
        elif line and field in (b"", b"id", b"retry"):
            others.append(line)
    return Fields(name, b"\n".join(data) if data else None, others)


def render(name: str | None, data: bytes, others: Iterable[bytes] = ()) -> bytes:
    """Return a block of these fields; `data` is one line."""
    lines = [*others]
    if name is not None:
        lines.append(b"event: " + name.encode())
    lines += (b"data: " + data, b"", b"")
    return b"\n".join(lines)
