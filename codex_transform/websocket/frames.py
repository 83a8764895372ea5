"""The frames of one WebSocket, as its server reads and writes them (RFC 6455 section 5).

Strategy: `wsproto` reads, because clients are free to split a message in any way. What is written is simpler than what
it can write: text messages, each one frame. No extension is agreed on: compression would cost more than it saves on
the way from this machine to itself, and lets a few bytes become many.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import NamedTuple

from wsproto import events
from wsproto.connection import Connection, ConnectionState, ConnectionType

_TEXT = 0x81  # a whole message in this frame
_LONGEST = 125  # bytes whose number fits into the second byte of a frame
_LONGEST_16_BIT = 0xFFFF


class Message(NamedTuple):
    """A message of the client, whole."""

    content: bytes
    text: bool


class TooLong(NamedTuple):
    """A message that is longer than it may be; what else the client sends is not read."""


class Reply(NamedTuple):
    """Bytes to be sent: what a ping is answered with."""

    data: bytes


class Closed(NamedTuple):
    """The end: nothing more is read, and the connection can be closed once `reply` has been sent."""

    code: int
    reason: str
    reply: bytes
    by_client: bool


class Frames:
    """The frames of one connection. A message has at most `limit` bytes.

    `closing` is True once the server has sent its close frame: then nothing else may be sent.
    """

    def __init__(self, limit: int) -> None:
        self.closing = False
        self._connection = Connection(ConnectionType.SERVER)
        self._limit = limit
        self._content = bytearray()  # of the message that has begun
        self._over = False

    def receive(self, data: bytes) -> Iterator[Message | TooLong | Reply | Closed]:
        """Yield what the client has said with these bytes."""
        if self._over:
            return
        self._connection.receive_data(data)
        for event in self._connection.events():
            if isinstance(event, events.Ping):
                if not self.closing:
                    yield Reply(self._connection.send(event.response()))
            elif isinstance(event, events.CloseConnection):
                yield self._closed(event)
                return
            elif isinstance(event, events.TextMessage | events.BytesMessage) and not self.closing:
                yield from self._message(event)
                if self._over:
                    return

    def ping(self) -> bytes:
        """Return the bytes that ask whether the client is still there."""
        return b"" if self.closing else self._connection.send(events.Ping())

    def close(self, code: int, reason: str = "") -> bytes:
        """Return the bytes that tell the client of the end; none if it has been told."""
        if self.closing:
            return b""
        self.closing = True
        return self._connection.send(events.CloseConnection(code=code, reason=reason or None))

    def _message(self, event: events.TextMessage | events.BytesMessage) -> Iterator[Message | TooLong]:
        self._content += event.data.encode() if isinstance(event.data, str) else event.data
        if len(self._content) > self._limit:
            self._over = True
            self._content.clear()
            yield TooLong()
        elif event.message_finished:
            content = bytes(self._content)
            self._content.clear()
            yield Message(content, isinstance(event, events.TextMessage))

    def _closed(self, event: events.CloseConnection) -> Closed:
        """Return the end, which the client has told of, or for which its frames are the reason."""
        self._over = True
        code = int(event.code)
        by_client = self._connection.state is ConnectionState.REMOTE_CLOSING
        reply = b"" if self.closing else self._connection.send(events.CloseConnection(code=code, reason=event.reason))
        self.closing = True
        return Closed(code, event.reason or "", reply, by_client)


def text_frame(content: bytes) -> bytes:
    """Return the frame of a text message."""
    return _head(len(content)) + content


def text_frames(contents: Sequence[bytes]) -> bytes:
    """Return the frames of text messages; of many short ones, as deltas are, at little cost for each."""
    lengths = [*map(len, contents)]
    head = _HEADS.__getitem__ if max(lengths, default=0) < _SHORT else _head
    return b"".join(chain.from_iterable(zip(map(head, lengths), contents, strict=True)))


def _head(length: int) -> bytes:
    if length <= _LONGEST:
        return bytes((_TEXT, length))
    if length <= _LONGEST_16_BIT:
        return b"%c\x7e%b" % (_TEXT, length.to_bytes(2, "big"))
    return b"%c\x7f%b" % (_TEXT, length.to_bytes(8, "big"))


_SHORT = 1024
_HEADS = [_head(length) for length in range(_SHORT)]
