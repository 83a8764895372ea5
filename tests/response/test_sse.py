"""The event-stream format: splitting into blocks however it is chunked, and reading fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from response.streams import pieces

from codex_transform.response import sse

LINE_ENDS = [b"\n", b"\r", b"\r\n"]


def split(chunks: list[bytes], limit: int = sse.LIMIT, most: int = 1000) -> list[bytes]:
    """The blocks of a stream, with each LF that came after its CR put back, and the unfinished rest.

    No more than `most` bytes of a chunk are searched at a time.
    """
    splitter = sse.Splitter(limit)
    blocks: list[bytes] = []
    for chunk in chunks:
        start = 0
        while start < len(chunk):
            stop = min(start + most, len(chunk))
            if splitter.oversized:
                block, start = splitter.pass_on(chunk, start, stop)
                blocks[-1] += block
                continue
            block, start = splitter.take(chunk, start, stop)
            if block == b"\n" and blocks and blocks[-1].endswith(b"\r"):
                blocks[-1] += block
            elif block:
                blocks.append(block)
    return [*blocks, splitter.finish()]


@pytest.mark.parametrize(
    ("stream", "blocks"),
    [
        (b"", [b""]),
        (b"data: a\n\n", [b"data: a\n\n", b""]),
        (b"data: a\r\r", [b"data: a\r\r", b""]),
        (b"data: a\r\n\r\n", [b"data: a\r\n\r\n", b""]),
        (b"data: a\n\r\n", [b"data: a\n\r\n", b""]),
        (b"data: a\r\n\n", [b"data: a\r\n\n", b""]),
        (b"data: a\n\r", [b"data: a\n\r", b""]),
        (b"data: a\r\r\n", [b"data: a\r\r\n", b""]),
        (b"data: a\r\n", [b"data: a\r\n"]),
        (b"data: a\r", [b"data: a\r"]),
        (b"data: a\n\ndata: b\n\n", [b"data: a\n\n", b"data: b\n\n", b""]),
        (b"data: a\n\n\ndata: b\n\n", [b"data: a\n\n", b"\ndata: b\n\n", b""]),
        (b"\n\ndata: a\n\n", [b"\n\n", b"data: a\n\n", b""]),
        (b": ping\n\n", [b": ping\n\n", b""]),
        (b"data: a\ndata: b", [b"data: a\ndata: b"]),
        (b"data: a\n\ndata: b\r\rdata: c\r\n\r\n", [b"data: a\n\n", b"data: b\r\r", b"data: c\r\n\r\n", b""]),
    ],
)
def test_blank_lines_end_blocks(stream: bytes, blocks: list[bytes]) -> None:
    assert split([stream]) == blocks
    assert split([stream[at : at + 1] for at in range(len(stream))]) == blocks


@given(
    st.lists(st.sampled_from([b"data: a", b"id: 7", b":", b"", b"x\xc3", b"event: e", *LINE_ENDS]), max_size=40),
    st.lists(st.integers(0, 120), max_size=12),
    st.sampled_from([2, 9, 40, sse.LIMIT]),
    st.integers(1, 30),
)
def test_any_chunking_gives_the_same_blocks(lines: list[bytes], cuts: list[int], limit: int, most: int) -> None:
    stream = b"".join(lines)
    blocks = split([stream], limit)
    assert split(pieces(stream, cuts), limit) == blocks
    assert split(pieces(stream, cuts), limit, most) == blocks
    assert split([stream[at : at + 1] for at in range(len(stream))], limit) == blocks
    assert b"".join(blocks) == stream
    assert [*sse.split(stream)] == [block for block in split([stream]) if block]


def test_an_event_is_released_with_its_final_cr() -> None:
    splitter = sse.Splitter()
    assert splitter.take(b"data: a\r\n\r", 0, 10) == (b"data: a\r\n\r", 10)
    assert not splitter.idle
    assert splitter.take(b"\ndata: b", 0, 8) == (b"\n", 1)
    assert splitter.idle


@given(st.integers(1, 64), st.lists(st.integers(0, 300), max_size=10))
def test_a_block_over_the_limit_is_passed_on_in_pieces(limit: int, cuts: list[int]) -> None:
    stream = b"data: " + b"x" * 200 + b"\n\ndata: b\n\n"
    assert split(pieces(stream, cuts), limit) == [stream[:208], b"data: b\n\n", b""]
    splitter = sse.Splitter(limit)
    held = longest = 0
    for chunk in pieces(stream, cuts):
        held += len(chunk)
        start = 0
        while start < len(chunk):
            block, start = (splitter.pass_on if splitter.oversized else splitter.take)(chunk, start, len(chunk))
            held -= len(block)
        longest = max(longest, held)
    assert longest <= limit + 4


# The cases of the web platform's tests for event streams, in our own words: name, data and the lines kept.
@pytest.mark.parametrize(
    ("block", "name", "data", "others"),
    [
        (b"data: one\ndata: two\n\n", None, b"one\ntwo", []),
        (b"data:one\ndata:  two\n\n", None, b"one\n two", []),
        (b"data\n\n", None, b"", []),
        (b"data\ndata:\n\n", None, b"\n", []),
        (b"data:\ttab\rdata: \ndata:end\n\n", None, b"\ttab\n\nend", []),
        (b"data:a\n data\nDATA:b\nda-ta:c\ndata_:d\n\n", None, b"a", []),
        (b"data:\0\ndata\0:x\n\n", None, b"\0", []),
        (b"event: first\nevent: second\ndata: x\n\n", "second", b"x", []),
        (b"event:\ndata: x\n\n", "", b"x", []),
        (b"event: \xff\ndata: x\n\n", "�", b"x", []),
        (
            b"id: 1\nid: a\0b\nretry: 3000\nretry:x\ndata: x\n\n",
            None,
            b"x",
            [b"id: 1", b"id: a\0b", b"retry: 3000", b"retry:x"],
        ),
        (b": comment\r:\r\ndata: x\n:: more\n\n", None, b"x", [b": comment", b":", b":: more"]),
        (b": ping\n\n", None, None, [b": ping"]),
        (b"event: alone\n\n", "alone", None, []),
        (b"unknown: x\njust text\n\n", None, None, []),
        (b"\n\n", None, None, []),
        (b"data: a:b: c\n\n", None, b"a:b: c", []),
        ("data: é\ndata: \u2028\x0b\x85\n\n".encode(), None, "é\n\u2028\x0b\x85".encode(), []),
    ],
)
def test_fields(block: bytes, name: str | None, data: bytes | None, others: list[bytes]) -> None:
    assert sse.parse(block) == (name, data, others)


def test_a_rendered_event_is_read_back() -> None:
    block = sse.render("name", b'{"a":1}', [b"id: 7", b": note"])
    assert block == b'id: 7\n: note\nevent: name\ndata: {"a":1}\n\n'
    assert sse.parse(block) == ("name", b'{"a":1}', [b"id: 7", b": note"])
    assert sse.render(None, b"x") == b"data: x\n\n"
