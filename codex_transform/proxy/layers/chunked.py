"""Reads chunked bodies (RFC 9112 section 7.1), and returns all chunks of one read in one piece.

Endpoints send one event per chunk, and at full speed a read brings dozens. h11's reader, which mitmproxy uses, returns
each separately, and each then goes through all layers and is written by itself. This reader is as strict as h11's, and
stricter than that of h11 0.14, which accepts any two bytes after a chunk (CVE-2025-43859).

Trailers are read and dropped, which section 7.1.2 allows; nobody here needs them, and mitmproxy gives up on them.
"""

import re
from functools import lru_cache
from typing import NoReturn

import h11
from h11._receivebuffer import ReceiveBuffer

# The most bytes in the line before a chunk, and in all trailers together.
MAX_LINE = 64 * 1024

_HEADER = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00\r\n]*\r?\n")
_END = b"\r\n"
_SHORT_LINE = 20
_MAX_QUOTED = 40


class ChunkedBody:
    """Reads one body.

    Like h11's readers it is called with a buffer, from which it removes what belongs to the body.
    """

    def __init__(self) -> None:
        self._remaining = 0  # of the chunk that has begun
        self._expect_crlf = False  # a chunk is complete except for its end of line
        self._in_trailers = False  # the last chunk has arrived: trailers follow
        self._trailers = 0  # bytes of them
        self._partial = b""  # of a line
        self._next: h11.EndOfMessage | h11.RemoteProtocolError | None = None

    def __call__(self, buf: ReceiveBuffer) -> h11.Data | h11.EndOfMessage | None:
        """Return the data that has arrived, or the end of the body, or None. Raises RemoteProtocolError."""
        if self._next is None:
            pieces: list[bytes] = []
            try:
                self._read(buf, pieces)
            except h11.RemoteProtocolError as fault:
                self._next = fault
            if pieces:
                return h11.Data(data=pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if isinstance(self._next, h11.RemoteProtocolError):
            raise self._next
        return self._next

    def read_eof(self) -> NoReturn:
        """Raise RemoteProtocolError, because the connection has ended before the body."""
        raise h11.RemoteProtocolError(
            "peer closed connection without sending complete message body (incomplete chunked read)"
        )

    def _read(self, buf: ReceiveBuffer, pieces: list[bytes]) -> None:
        data = self._partial + (buf.maybe_extract_at_most(len(buf)) or b"")
        self._partial = b""
        at = 0
        while at < len(data):
            if self._remaining:
                piece = data[at : at + self._remaining]
                pieces.append(piece)
                at += len(piece)
                self._remaining -= len(piece)
                self._expect_crlf = not self._remaining
                continue
            end = data.find(b"\n", at) + 1
            if not end:
                self._buffer_partial(data[at:])
                return
            line = data[at:end]
            at = end
            if self._expect_crlf:
                if line != _END:
                    raise h11.RemoteProtocolError(f"malformed chunk footer: {line[:_MAX_QUOTED]!r}")
                self._expect_crlf = False
                at = _read_whole_chunks(data, at, pieces)
            elif self._in_trailers:
                self._trailers += len(line)
                if self._trailers > MAX_LINE:
                    raise h11.RemoteProtocolError("the trailers do not end")
                if line in (_END, b"\n"):
                    # What follows belongs to the next message.
                    buf += data[at:]
                    self._next = h11.EndOfMessage()
                    return
                if not _TRAILER.fullmatch(line):
                    raise h11.RemoteProtocolError(f"illegal trailer: {line[:_MAX_QUOTED]!r}")
            else:
                self._remaining = _chunk_size(line)
                self._in_trailers = not self._remaining

    def _buffer_partial(self, beginning: bytes) -> None:
        if self._expect_crlf and not _END.startswith(beginning):
            raise h11.RemoteProtocolError(f"malformed chunk footer: {beginning[:_MAX_QUOTED]!r}")
        if len(beginning) > MAX_LINE:
            raise h11.RemoteProtocolError("a line in it does not end")
        self._partial = bytes(beginning)


def _read_whole_chunks(data: bytes, start: int, pieces: list[bytes]) -> int:
    """Append the chunks that are complete in `data` from `start` on to `pieces`; return where the last of them ends.

    This runs once for each event of an answer; hence a loop of its own, over local variables. Raises
    RemoteProtocolError.
    """
    find, has_crlf, append = data.find, data.startswith, pieces.append
    while True:
        begin = find(b"\n", start, start + _SHORT_LINE) + 1
        size = _known_size(data[start:begin]) if begin else 0
        end = begin + size
        if not size or not has_crlf(_END, end):
            return start
        append(data[begin:end])
        start = end + len(_END)


def _chunk_size(line: bytes) -> int:
    """Return the size of the chunk that this line begins. Raises RemoteProtocolError."""
    header = _HEADER.fullmatch(line)
    if header is None:
        raise h11.RemoteProtocolError(f"illegal chunk header: {line[:_MAX_QUOTED]!r}")
    return int(header[1], 16)


# Deltas have few sizes, and a line is looked up faster than read. Longer ones would stay in memory.
_known_size = lru_cache(maxsize=256)(_chunk_size)
