"""The stream function of a response: what it retains, and the time of the first token."""

import time

import pytest
from response.streams import answer, block, stream

from codex_transform.proxy.stream_function import StreamFunction
from codex_transform.response.client_view import ClientView
from codex_transform.response.stream import ResponseStream


def streamed() -> StreamFunction:
    return StreamFunction(ResponseStream(ClientView(), None))


def test_the_first_token_is_the_first_output_of_the_model() -> None:
    live = streamed()
    for event in answer()[:2]:
        live(block(event))
        assert live.first_token is None
    live(b": comment\n\n")
    assert live.first_token is None
    before = time.time()
    live(block(answer()[2]))
    first = live.first_token
    assert first is not None
    assert before <= first <= time.time()
    for event in answer()[3:]:
        live(block(event))
    live(b"")
    assert live.first_token == first


def test_nothing_is_retained_by_default() -> None:
    live = streamed()
    live(stream(answer()))
    assert live.retained is None


@pytest.mark.parametrize("size", [1, 100, 10**6])
def test_what_was_sent_is_retained(size: int) -> None:
    live, data = streamed(), stream(answer())
    live.retain(len(data) + 100)
    out = b"".join(b"".join(live(data[at : at + size])) for at in range(0, len(data), size))
    out += b"".join(live(b""))
    assert live.retained == out


def test_a_body_beyond_the_limit_is_not_retained() -> None:
    live, data = streamed(), stream(answer())
    live.retain(len(data) // 2)
    first = len(block(answer()[0]))
    live(data[:first])
    assert live.retained == data[:first]
    live(data[first:])
    assert live.retained is None


def test_pieces_are_retained_without_a_copy() -> None:
    live = streamed()
    live.retain(10**6)
    live(block(answer()[0]))
    piece = block(answer()[1])
    (out,) = live(piece)
    assert out is piece
