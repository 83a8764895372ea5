"""Frames: messages however they are split and merged, and bytes that are not valid frames."""

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, Pong, TextMessage

from codex_transform.websocket import frames
from codex_transform.websocket.frames import Closed, Frames, Reply, TooLong, text_frame

LIMIT = 300

TEXTS = st.text(max_size=LIMIT // 4)
PIECES = st.lists(TEXTS, min_size=1, max_size=4).filter(lambda parts: len("".join(parts).encode()) <= LIMIT)


def client() -> Connection:
    return Connection(ConnectionType.CLIENT)


def as_frames(peer: Connection, parts: list[str], ping: bool) -> bytes:
    """One message with a frame for each part, and a ping after each if asked for."""
    data = b""
    for index, part in enumerate(parts):
        data += peer.send(TextMessage(data=part, message_finished=index == len(parts) - 1))
        if ping:
            data += peer.send(Ping(payload=b"%d" % index))
    return data


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(st.lists(st.tuples(PIECES, st.booleans()), max_size=5), st.lists(st.integers(0, 10_000), max_size=20))
def test_messages_arrive_whole_however_they_are_cut(messages: list[tuple[list[str], bool]], places: list[int]) -> None:
    peer, server = client(), Frames(LIMIT)
    data = b"".join(as_frames(peer, parts, ping) for parts, ping in messages)
    said = [each for piece in cut(data, places) for each in server.receive(piece)]
    got = [each.content.decode() for each in said if isinstance(each, frames.Message)]
    assert got == ["".join(parts) for parts, _ in messages]
    replies = [each.data for each in said if isinstance(each, Reply)]
    for reply in replies:
        peer.receive_data(reply)
    pongs = [event for event in peer.events() if isinstance(event, Pong)]
    assert len(pongs) == len(replies) == sum(len(parts) for parts, ping in messages if ping)


@given(st.binary(max_size=400), st.lists(st.integers(0, 500), max_size=10), st.booleans())
def test_any_bytes_are_read_without_an_exception(data: bytes, places: list[int], opened: bool) -> None:
    server = Frames(LIMIT)
    if opened:
        data = client().send(TextMessage(data="{}")) + data
    said = [each for piece in cut(data, places) for each in server.receive(piece)]
    assert all(len(each.content) <= LIMIT for each in said if isinstance(each, frames.Message))
    ends = [each for each in said if isinstance(each, Closed | TooLong)]
    assert ends in ([], said[-1:]), "nothing is read after the end"
    assert [*server.receive(b"\x81\x80\0\0\0\0")] == [] or not ends


def test_frames_without_content_take_no_memory() -> None:
    """A message that never ends is bounded, however little of it there is in each frame."""
    server, empty = Frames(LIMIT), b"\x00\x80" + bytes(4)
    assert list(server.receive(b"\x01\x81" + bytes(4) + b"x")) == []
    tracemalloc.start()
    try:
        for _ in range(100):
            assert list(server.receive(empty * 1000)) == []
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
    assert list(server.receive(b"\x80\x81" + bytes(4) + b"y")) == [frames.Message(b"xy", text=True)]


@given(st.binary(max_size=70_000))
def test_text_frame_writes_one_text_message(content: bytes) -> None:
    text = content.decode("latin-1")
    peer = client()
    peer.receive_data(text_frame(text.encode()))
    (event,) = peer.events()
    assert isinstance(event, TextMessage)
    assert (event.data, event.message_finished) == (text, True)


@pytest.mark.parametrize("length", [125, 126, 65535, 65536])
def test_the_lengths_of_frames(length: int) -> None:
    assert text_frame(b"x" * length) == Connection(ConnectionType.SERVER).send(TextMessage(data="x" * length))


def test_a_binary_message() -> None:
    (message,) = Frames(LIMIT).receive(client().send(BytesMessage(data=b"\0")))
    assert message == (b"\0", False)


@pytest.mark.parametrize("parts", [["x" * (LIMIT + 1)], ["x" * LIMIT, "y"]])
def test_a_message_that_is_too_long(parts: list[str]) -> None:
    peer, server = client(), Frames(LIMIT)
    assert [*server.receive(as_frames(peer, parts, ping=False))] == [TooLong()]
    assert [*server.receive(peer.send(TextMessage(data="more")))] == []
    assert closed(peer, server.close(1009, "too long")).code == 1009


def test_the_client_closes_the_connection() -> None:
    peer, server = client(), Frames(LIMIT)
    (end,) = server.receive(peer.send(CloseConnection(code=1001, reason="bye")))
    assert isinstance(end, Closed)
    assert (end.code, end.reason, end.by_client) == (1001, "bye", True)
    assert closed(peer, end.reply).code == 1001
    assert server.close(1000) == b""
    assert server.ping() == b""


def test_the_server_closes_and_later_messages_are_dropped() -> None:
    peer, server = client(), Frames(LIMIT)
    late = peer.send(TextMessage(data="late")) + peer.send(Ping())
    close_frame = server.close(1000, "end")
    assert [*server.receive(late)] == []
    assert closed(peer, close_frame).reason == "end"
    (end,) = server.receive(peer.send(CloseConnection(code=1000)))
    assert isinstance(end, Closed)
    assert end.reply == b""


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x01a", 1002),
        (b"\x83\x80\0\0\0\0", 1002),
        (b"\xc1\x80\0\0\0\0", 1002),
        (b"\x80\x80\0\0\0\0", 1002),
        (b"\x88\x81\0\0\0\0\0", 1002),
        (b"\x81\x81\0\0\0\0\xff", 1007),
    ],
    ids=["unmasked", "opcode", "reserved bit", "continuation of nothing", "close of one byte", "no UTF-8"],
)
def test_frames_that_violate_the_protocol(data: bytes, code: int) -> None:
    (end,) = Frames(LIMIT).receive(data)
    assert isinstance(end, Closed)
    assert (end.code, end.by_client) == (code, False)
    assert closed(client(), end.reply).code == code


def closed(peer: Connection, data: bytes) -> CloseConnection:
    peer.receive_data(data)
    (event,) = [event for event in peer.events() if not isinstance(event, Message)]
    return as_close(event)


def as_close(event: Event) -> CloseConnection:
    assert isinstance(event, CloseConnection)
    return event
