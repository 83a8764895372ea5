"""Faults of the connection: it breaks, hangs, or carries something that is not HTTP.

Strategy: transforms of the body's steps that end in an `End`, and raw bytes where HTTP framing itself is to be wrong
(RFC 9112). `at` counts the events sent before.
"""

import itertools
from collections.abc import Iterator

from codex_transform.sandbox.planned_response import Edit, End, PlannedResponse, Raw, Step, Wait

_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-codex-sandbox: 1\r\nconnection: close\r\n"
)
_MEBIBYTE = 1024 * 1024


def break_off(*last: Step) -> Edit:
    """Send these steps after `at` events, and no more."""

    def edit(planned: PlannedResponse, at: int) -> None:
        planned.transforms.append(lambda steps: _first(steps, at, last))

    return edit


def mid_event(end: End) -> Edit:
    """Send half of the event that follows `at` others, then end like this."""

    def edit(planned: PlannedResponse, at: int) -> None:
        planned.transforms.append(lambda steps: transform(steps, at))

    def transform(steps: Iterator[Step], at: int) -> Iterator[Step]:
        yield from _first(steps, at, ())
        following = next((step for step in steps if isinstance(step, bytes)), b"")
        yield following[: len(following) // 2]
        yield end

    return edit


def no_head(*steps: Step) -> Edit:
    """Send these steps in place of a response."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.head, planned.body, planned.transforms = False, steps, []

    return edit


def open_end() -> Edit:
    """Keep the connection open after the last event, without an end of the body."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        planned.headers.pop("content-length", None)
        planned.transforms.append(lambda steps: itertools.chain(steps, [End.HANG]))

    return edit


def close_later() -> Edit:
    """Close the connection after `at` milliseconds, without a response."""

    def edit(planned: PlannedResponse, at: int) -> None:
        no_head(Wait(at / 1000), End.CUT)(planned, 0)

    return edit


def until_close() -> Edit:
    """Send no content-length and no chunks: the end of the connection is the end of the body, as in HTTP/1.0."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        steps = planned.steps()
        planned.head, planned.transforms = False, []
        planned.body = bare(steps)

    def bare(steps: Iterator[Step]) -> Iterator[Step]:
        yield Raw(_HEAD + b"\r\n")
        for step in steps:
            yield Raw(step) if isinstance(step, bytes) else step
        yield End.CUT

    return edit


def too_short() -> Edit:
    """Declare more bytes than are sent before the connection closes."""

    def edit(planned: PlannedResponse, _at: int) -> None:
        body = b"".join(step for step in planned.steps() if isinstance(step, bytes))
        no_head(Raw(_HEAD + b"content-length: %d\r\n\r\n" % (len(body) + 1000) + body), End.CUT)(planned, 0)

    return edit


def flood() -> Edit:
    """Send a line of `at` MiB without an end, then close the connection."""

    def edit(planned: PlannedResponse, at: int) -> None:
        planned.body = endless(at)

    def endless(mebibytes: int) -> Iterator[Step]:
        yield b"data: "
        filling = b"x" * 65536
        for _ in range(mebibytes * _MEBIBYTE // len(filling)):
            yield filling
        yield End.CUT

    return edit


HALF_HEAD = Raw(_HEAD[: len(_HEAD) // 2])
NOT_HTTP = Raw(b"\x15\x03\x01\x00\x02\x02\x28 this is no HTTP \xff\xfe\r\n\r\n")
BAD_CHUNK = Raw(b"sandbox\r\nevent: response.completed\r\n")


def _first(steps: Iterator[Step], count: int, last: tuple[Step, ...]) -> Iterator[Step]:
    sent = 0
    while sent < count and (step := next(steps, None)) is not None:
        sent += isinstance(step, bytes)
        yield step
    yield from last
