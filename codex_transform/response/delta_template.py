"""Recognises deltas that need nothing, by their bytes alone.

Strategy: nearly all of an answer is deltas, and one delta differs from the next in a few values only: its text, its
padding (`obfuscation`), its number. `build` is shown a delta that is as it must be and keeps the pieces
between those values: how it begins and ends, and each piece with a member that a client relies on. An event made of
the same pieces is as it must be too. What its strings say cannot look like a piece, because a quotation mark within a
JSON string is escaped.

`DeltaTemplate.match_run` looks at every token of every answer, and takes longer than everything else in this package
together; hence a function over local variables, which copies nothing, and the order of its questions.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from codex_transform import jsonio

# The values that differ, with the piece that leads to each.
_VARYING = re.compile(rb'("(?:delta|obfuscation)"\s*:\s*")[^"\\]*+(?:\\.[^"\\]*+)*+|("sequence_number"\s*:\s*)\d++')

# The second finds what the first does a third faster, where members are written as nearly everybody writes them.
_DELTA = re.compile(rb'"delta"\s*:\s*"([^"\\]*+(?:\\.[^"\\]*+)*+)"')
_PLAIN_DELTA = re.compile(rb'"delta":"([^"\\]*+(?:\\.[^"\\]*+)*+)"')

_MatchRun = Callable[[bytes, int], tuple[int, int]]

# A piece, and the way to look for it between two positions.
_Search = tuple[Callable[[bytes, bytes, int, int], int], bytes]

# Pieces longer than this are no delta's.
_LONGEST = 512


class DeltaTemplate(NamedTuple):
    """What one kind of delta looks like.

    `match_run(data, start)` returns where the events of this shape end that follow each other from `start` on, and how
    many there are.
    """

    match_run: _MatchRun

    def matches(self, event: bytes) -> bool:
        """Return whether some bytes are exactly one event of this shape."""
        return self.match_run(event, 0) == (len(event), 1)


def match_nothing(data: bytes, start: int) -> tuple[int, int]:  # noqa: ARG001
    """Recognise no event."""
    return start, 0


def joined_deltas(events: bytes) -> bytes:
    """Return the text that these events bring, each of which a template has matched; it is written as in JSON."""
    return b"".join((_PLAIN_DELTA if _PLAIN_DELTA.search(events) else _DELTA).findall(events))


def read_deltas(written: bytes) -> str:
    """Return the text that `joined_deltas` returned."""
    try:
        return str(jsonio.loads(b'"%b"' % written))
    except ValueError:
        return ""


def build(block: bytes, members: Iterable[bytes]) -> DeltaTemplate | None:
    """Return the shape of a delta, None if it does not come in runs.

    It has all of `members`, each as `"name":`; they must include `type`.
    """
    pieces = []
    start = text = 0
    for varying in _VARYING.finditer(block):
        lead = varying.end(varying.lastindex or 0)
        pieces.append((start, block[start:lead]))
        start = varying.end()
        if block.startswith(b'"delta"', varying.start()):
            text = start
    tail = block[start:]
    # After a CR, an LF may follow that belongs to it.
    ends = tail.endswith(b"\n")
    if not text or not ends or max(len(tail), *(len(piece) for _, piece in pieces)) > _LONGEST:
        return None
    head = pieces.pop(0)[1]
    # What stands behind a long text is found faster from behind.
    between = [
        (bytes.find if at < text else bytes.rfind, piece)
        for at, piece in pieces
        if any(member in piece for member in members)
    ]
    return DeltaTemplate(_run_matcher(head, tail, between))


def _run_matcher(head: bytes, tail: bytes, between: Sequence[_Search]) -> _MatchRun:
    head_size, tail_size = len(head), len(tail)
    from_line_end = tail_size - tail.find(b"\n")

    def match_run(data: bytes, start: int) -> tuple[int, int]:
        find, has = data.find, data.startswith
        count = 0
        while True:
            # The first line end behind the head is the tail's.
            begin = start + head_size
            end = find(b"\n", begin) + from_line_end
            stop = end - tail_size
            if stop < begin or not has(head, start) or not has(tail, stop) or find(b"\r", begin, stop) >= 0:
                return start, count
            for search, piece in between:
                if search(data, piece, begin, stop) < 0:
                    return start, count
            count += 1
            start = end

    return match_run
