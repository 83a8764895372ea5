"""What a response costs, in counts: events parsed, bytes searched, lines run, memory held."""

import sys
import tracemalloc
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any

import pytest
from response.streams import answer, block, message, numbered, pieces, stream

from codex_transform.response import sse
from codex_transform.response.client_view import ClientView
from codex_transform.response.rewriter import Rewriter
from codex_transform.response.stream import ResponseStream

pytestmark = pytest.mark.gate

CODE = sse.__file__.rsplit("sse.py", 1)[0]


def feed(chunks: Iterable[bytes]) -> ResponseStream:
    live = ResponseStream(ClientView("gpt-5.3-codex"), None)
    for chunk in chunks:
        live.feed(chunk)
    live.finish()
    return live


def cut(data: bytes, size: int) -> list[bytes]:
    return pieces(data, range(size, len(data), size))


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each search for a blank line may have covered."""
    counts: list[int] = []
    search = sse._end_of_block

    def counted(data: bytes | bytearray, start: int, stop: int) -> int:
        counts.append(stop - start)
        return search(data, start, stop)

    monkeypatch.setattr(sse, "_end_of_block", counted)
    return counts


def lines_run(chunks: list[bytes]) -> int:
    """How many lines of the package run for these chunks."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename.startswith(CODE) else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        feed(chunks)
    finally:
        sys.settrace(before)
    return count


LONG = {length: stream(answer("word " * length, cuts=length)) for length in (50, 100, 200)}
MANY = {
    length: stream(
        {"type": f"response.output_item.{step}", "item": {"type": "message", "id": f"{step}_{number}"}}
        for number in range(length)
        for step in ("added", "done")
    )
    + stream([{"type": "response.completed", "response": {"output": [{"type": "message", "id": "x"}] * length}}])
    for length in (50, 100, 200)
}
HUGE = {length: stream(answer("x" * length, cuts=1)) for length in (5_000, 10_000, 20_000)}


@pytest.mark.parametrize("size", [1, 7, 300, 5000, 10**9])
def test_deltas_are_no_longer_parsed_once_their_template_is_known(size: int) -> None:
    """Two make the template; the other eight are the events around the deltas."""
    for length, data in LONG.items():
        live = feed(cut(data, size))
        assert live.events == length + 8
        assert live.parsed == 10


def test_a_tool_calls_deltas_are_no_longer_parsed_either() -> None:
    written = [
        b'event: response.function_call_arguments.delta\ndata: {"type":"response.function_call_arguments.delta",'
        b'"sequence_number":%d,"item_id":"fc_1","output_index":1,"delta":"{"}\n\n' % number
        for number in range(50)
    ]
    begin = {"type": "response.output_item.added", "sequence_number": 3, "output_index": 1, "item": {"id": "fc_1"}}
    live = feed([stream(answer()[:3]), block(begin), *written, stream(answer()[3:])])
    assert live.parsed == 13  # of 62


@pytest.mark.parametrize("size", [100, 300, 5000, 10**9])
def test_a_delta_in_two_pieces_matches_its_template(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    handled = 0
    handle_block = Rewriter._handle_block

    def counted(self: Rewriter, block: bytes) -> bytes:
        nonlocal handled
        handled += 1
        return handle_block(self, block)

    monkeypatch.setattr(Rewriter, "_handle_block", counted)
    assert feed(cut(LONG[200], size)).events == 208
    # The eight events that are not deltas, and the two from which the template is learned.
    assert handled == 10


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("data", [LONG, HUGE], ids=["many events", "one huge event"])
def test_no_byte_is_searched_over_and_over(data: dict[int, bytes], end: bytes, searched: list[int]) -> None:
    for size in (1, 1000):
        factors = []
        for stream_ in data.values():
            searched.clear()
            written = stream_.replace(b"\n", end)
            feed(cut(written, size))
            factors.append(sum(searched) / len(written))
        # Several times each, but no more often for twice the length.
        assert factors[0] < 8
        assert factors[2] < factors[0] * 1.2


@pytest.mark.parametrize("data", [LONG, MANY, HUGE], ids=["many events", "many items", "one huge event"])
def test_work_grows_with_the_length_and_no_faster(data: dict[int, bytes]) -> None:
    for size in (1, 64, 10**9):
        lengths = [len(stream_) for stream_ in data.values()]
        lines = [lines_run(cut(stream_, size)) for stream_ in data.values()]
        growth = (lines[2] - lines[1]) / (lengths[2] - lengths[1])
        assert growth <= (lines[1] - lines[0]) / (lengths[1] - lengths[0]) * 1.1 + 0.01


def test_a_long_response_is_not_held() -> None:
    assert held(ResponseStream(ClientView(), None).feed, stream(answer("word " * 4000, cuts=4000)), 4096) < 300_000


def test_a_huge_event_is_held_no_longer_than_needed() -> None:
    size = 4_000_000
    huge = {**answer()[4], "delta": "x" * size, "sequence_number": 5}
    live = ResponseStream(ClientView(), None)
    assert held(live.feed, stream([*answer()[:5], huge, *answer()[5:]]), 65536) < 4.5 * size


def test_an_event_beyond_the_limit_is_not_held() -> None:
    data = stream(answer()[:5]) + b"data: " + b"x" * 3_000_000 + b"\n\n" + stream(answer()[5:])
    assert held(Rewriter(ClientView(), limit=100_000).feed, data, 4096) < 500_000


def test_items_beyond_the_limit_are_not_held() -> None:
    done = {"type": "response.output_item.done", "output_index": 0, "item": message("x" * 5000)}
    data = stream([answer()[0], *numbered([done] * 200, 1)])
    assert held(Rewriter(ClientView(), limit=50_000).feed, data, 4096) < 300_000


def held(feed: Callable[[bytes], bytes], data: bytes, size: int) -> int:
    """The peak memory of a response in bytes, without the sender's."""
    view = memoryview(data)
    tracemalloc.start()
    try:
        for at in range(0, len(data), size):
            feed(bytes(view[at : at + size]))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
