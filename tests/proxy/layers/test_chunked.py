"""Chunked bodies: one piece for each read, the same body however it is split, and strict parsing except of trailers."""

import tracemalloc

import h11
import pytest
from h11._readers import ChunkedReader
from h11._receivebuffer import ReceiveBuffer
from hypothesis import given
from hypothesis import strategies as st
from response.streams import pieces

from codex_transform.proxy.layers.chunked import MAX_LINE, ChunkedBody

END = b"0\r\n\r\n"


def chunk(data: bytes, extension: bytes = b"") -> bytes:
    return b"%x%b\r\n%b\r\n" % (len(data), extension, data)


def read(reads: list[bytes]) -> tuple[list[bytes], str, bytes]:
    """The piece of the body from each read, how the body ended, and what is left for the next message."""
    reader, buf = ChunkedBody(), ReceiveBuffer()
    pieces_read: list[bytes] = []
    for data in reads:
        buf += data
        while True:
            try:
                event = reader(buf)
            except h11.RemoteProtocolError as fault:
                return pieces_read, str(fault), bytes(buf)
            if isinstance(event, h11.EndOfMessage):
                return pieces_read, "end", bytes(buf)
            if event is None:
                break
            pieces_read.append(bytes(event.data))
    return pieces_read, "more", bytes(buf)


@pytest.mark.parametrize(
    ("stream", "pieces_read"),
    [
        (END, []),
        (chunk(b"a") + END, [b"a"]),
        (chunk(b"a") + chunk(b"bc") + END, [b"abc"]),
        (chunk(b"a", b";x=y") + chunk(b"b", b" \t") + END, [b"ab"]),
        (b"0A\r\n0123456789\r\n00\r\n\r\n", [b"0123456789"]),
        (chunk(b"a") + b"0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", [b"a"]),
        (chunk(b"a") + b"0;x\r\n\r\n", [b"a"]),
    ],
)
def test_valid_bodies(stream: bytes, pieces_read: list[bytes]) -> None:
    assert read([stream]) == (pieces_read, "end", b"")
    assert read([stream + b"HTTP/1.1 200"]) == (pieces_read, "end", b"HTTP/1.1 200")
    one_by_one, ending, rest = read([stream[at : at + 1] for at in range(len(stream))])
    assert (b"".join(one_by_one), ending, rest) == (b"".join(pieces_read), "end", b"")


@pytest.mark.parametrize(
    "stream",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\na\r\n",
        b"+1\r\na\r\n",
        b"0x1\r\na\r\n",
        b"1_0\r\n",
        b" 1\r\na\r\n",
        b"1\na\r\n",
        b"1\r\na\n",
        b"1\r\nab",
        b"1\r\na\rb",
        b"1 a\r\n",
        b"1;x\ry\r\n",
        b"12345678901234567\r\n",
        b"1" * (MAX_LINE + 2),
        b"0\r\nGET / HTTP/1.1\r\n",
        b"0\r\n0\r\n\r\n",
        b"0\r\n" + b"x: y\r\n" * MAX_LINE,
    ],
    ids=lambda stream: repr(stream[:20]),
)
def test_invalid_bodies(stream: bytes) -> None:
    """The data before the error is forwarded first."""
    pieces_read, ending, _ = read([chunk(b"good") + stream])
    assert pieces_read[0][:4] == b"good"
    assert ending not in ("end", "more")
    pieces_read, ending, _ = read([chunk(b"good"), *(stream[at : at + 100] for at in range(0, len(stream), 100))])
    assert pieces_read[0] == b"good"
    assert ending not in ("end", "more")


def test_the_end_of_the_connection_does_not_end_the_body() -> None:
    with pytest.raises(h11.RemoteProtocolError, match="without sending complete message body"):
        ChunkedBody().read_eof()


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=12),
    st.lists(st.integers(0, 500), max_size=12),
    st.binary(max_size=12),
)
def test_a_body_is_the_same_however_it_is_split(data: list[bytes], cuts: list[int], after: bytes) -> None:
    stream = b"".join(map(chunk, data)) + END
    pieces_read, ending, rest = read(pieces(stream, cuts))
    assert (b"".join(pieces_read), ending, rest) == (b"".join(data), "end", b"")
    # Each read gives at most one piece.
    assert len(pieces_read) <= len(pieces(stream, cuts))
    assert read([stream + after])[2] == after


PARTS = [b"1", b"a", b"\r\n", b"\n", b"0", b";", b" ", b"3\r\nabc\r\n", b"x", b"x: y\r\n", END]


@given(st.lists(st.sampled_from(PARTS), max_size=14))
def test_h11_accepts_whatever_is_accepted_here(parts: list[bytes]) -> None:
    """And it reads the same body."""
    stream = b"".join(parts)
    pieces_read, ending, _ = read([stream])
    if ending != "end":
        return
    theirs, buf, reader = b"", ReceiveBuffer(), ChunkedReader()
    buf += stream
    while isinstance(event := reader(buf), h11.Data):
        theirs += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    assert theirs == b"".join(pieces_read)


def test_long_lines_do_not_stay_in_memory() -> None:
    tracemalloc.start()
    try:
        for number in range(300):
            read([chunk(b"a") + chunk(b"b", b";%d" % number + b"x" * 50_000)])
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
