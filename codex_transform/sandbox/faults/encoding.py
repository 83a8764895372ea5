"""Faults in how a stream is written: legal but unusual event streams, illegal ones, and compression nobody asked for.

Strategy: an edit either replaces how one event is encoded, or adds a transform of the body's steps. Grammar: WHATWG
HTML, "Server-sent events", 9.2.5. Codings: RFC 9110 section 8.4.1 (gzip, deflate), RFC 7932 (br), RFC 8878 (zstd).
"""

import itertools
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import brotli  # type: ignore[import-untyped]

from codex_transform.jsonio import dumps
from codex_transform.sandbox.planned_response import Edit, Event, PlannedResponse, Step, Wait
from codex_transform.zstd import MISSING, zstd


def encoded_by(write: Callable[[Event], bytes]) -> Edit:
    """Encode events by this function."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.encode = write

    return edit


def data_only(event: Event) -> bytes:
    """Leave out the `event:` line."""
    return b"data: %b\n\n" % dumps(event)


def type_in_name_only(event: Event) -> bytes:
    """Leave `type` out of the data; only the `event:` line has it."""
    rest = {name: value for name, value in event.items() if name != "type"}
    return b"event: %b\ndata: %b\n\n" % (event["type"].encode(), dumps(rest))


def no_spaces(event: Event) -> bytes:
    """Leave out the space that may follow a colon."""
    return b"event:%b\ndata:%b\n\n" % (event["type"].encode(), dumps(event))


def many_lines(event: Event) -> bytes:
    """Spread the JSON over many `data` lines."""
    lines = dumps(event, indent=2).split(b"\n")
    return b"event: %b\n%b\n" % (event["type"].encode(), b"".join(b"data: %b\n" % line for line in lines))


def all_fields(event: Event) -> bytes:
    """Add an id, a retry time, an unknown field, and a comment."""
    number = event.get("sequence_number", 0)
    return b": comment\nid: %d\nretry: 3000\nmood: fine\nevent: %b\ndata: %b\n\n" % (
        number,
        event["type"].encode(),
        dumps(event),
    )


def line_ends(*ends: bytes) -> Edit:
    """End lines with these, in turn."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        write, turn = planned.encode, itertools.cycle(ends)
        planned.encode = lambda event: re.sub(rb"\n", lambda _: next(turn), write(event))

    return edit


def transformed(transform: Callable[[Iterator[Step]], Iterator[Step]]) -> Edit:
    """Return an edit of the body, and of nothing else."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.transforms.append(transform)

    return edit


def before(prefix: bytes) -> Edit:
    """Send these bytes first."""
    return transformed(lambda steps: itertools.chain([prefix], steps))


def after(suffix: bytes) -> Edit:
    """Send these bytes last."""
    return transformed(lambda steps: itertools.chain(steps, [suffix]))


def between(filling: bytes) -> Edit:
    """Send these bytes before each event."""
    return transformed(lambda steps: (step for each in steps for step in (filling, each)))


def no_final_blank(steps: Iterator[Step]) -> Iterator[Step]:
    """End the body with the last character of its last event."""
    last: Step = b""
    for step in steps:
        if last:
            yield last
        last = step
    yield last.rstrip(b"\r\n") if isinstance(last, bytes) else last


def byte_by_byte(steps: Iterator[Step]) -> Iterator[Step]:
    """Send every byte by itself."""
    for step in steps:
        yield from (step[i : i + 1] for i in range(len(step))) if isinstance(step, bytes) else (step,)


def in_one_piece(steps: Iterator[Step]) -> Iterator[Step]:
    """Send the whole body at once, without pauses."""
    yield b"".join(step for step in steps if isinstance(step, bytes))


def slowly() -> Edit:
    """Pause for `at` milliseconds after each event."""

    def edit(planned: PlannedResponse, at: int) -> None:
        pause = Wait(at / 1000)
        planned.transforms.append(lambda steps: (step for each in steps for step in (each, pause)))

    return edit


def compressed(coding: str, *, truncated: bool = False) -> Edit:
    """Compress the body, flushed after each event; if truncated, without its end and half an event."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.headers["content-encoding"] = coding.partition("-")[0]
        planned.headers.pop("content-length", None)
        planned.transforms.append(transform)

    def transform(steps: Iterator[Step]) -> Iterator[Step]:
        write, end = _COMPRESSORS[coding]()
        held = b""
        for step in steps:
            if isinstance(step, bytes):
                if held:
                    yield held
                held = write(step)
            else:
                yield step
        yield held[: len(held) // 2] if truncated else held + end()

    return edit


def labelled(coding: str) -> Edit:
    """Name a content coding that was not applied."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.headers["content-encoding"] = coding

    return edit


_Compressor = tuple[Callable[[bytes], bytes], Callable[[], bytes]]


def _zlib(window: int) -> _Compressor:
    compressor = zlib.compressobj(wbits=window)
    return lambda data: compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH), compressor.flush


def _brotli() -> _Compressor:
    # The compiled module and its pure counterpart agree on these methods, and neither has types.
    compressor: Any = brotli.Compressor()
    return lambda data: compressor.process(data) + compressor.flush(), compressor.finish


def _zstd() -> _Compressor:
    if zstd is None:
        raise ModuleNotFoundError(MISSING)
    compressor: Any = zstd.ZstdCompressor()
    return lambda data: compressor.compress(data, compressor.FLUSH_BLOCK), compressor.flush


_COMPRESSORS: dict[str, Callable[[], _Compressor]] = {
    "gzip": lambda: _zlib(31),
    "deflate": lambda: _zlib(15),
    # Some servers take "deflate" at its word and leave the zlib wrapper out.
    "deflate-raw": lambda: _zlib(-15),
    "br": _brotli,
    "zstd": _zstd,
}
