"""Recognises deltas that need nothing, by their bytes alone.

Strategy: nearly all of an answer is deltas, and one delta differs from the next in a few values only: its text, its
padding (`obfuscation`), its number. `build` is shown a delta that is as it must be and keeps the pieces
between those values: how it begins and ends, and each piece with a member that a client relies on. An event made of
the same pieces is as it must be too. What its strings say cannot look like a piece, because a quotation mark within a
JSON string is escaped.

`DeltaTemplate.matches` runs once for every token of every answer, and takes longer than everything else in this package
together; hence a function over local variables, and the order of its questions.
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

_LF, _CR = b"\n\r"

# A piece, and the way to look for it.
_Search = tuple[Callable[[bytes, bytes], int], bytes]

# Pieces longer than this are no delta's.
_LONGEST = 512


class DeltaTemplate(NamedTuple):
    """What one kind of delta looks like.

    `matches` says whether some bytes are exactly one event of this shape. Its end is its first LF after `behind` bytes,
    and what then makes `after` bytes.
    """

    matches: Callable[[bytes], bool]
    behind: int = 0
    after: int = 0

    def match_run(self, data: bytes, start: int) -> tuple[int, int, bytes]:
        """Events of this shape that follow each other from `start` on: where they end, how many, and the last one."""
        matches, behind, after = self
        count = 0
        last = b""
        while True:
            end = data.find(b"\n", start + behind) + after
            event = data[start:end]
            if not matches(event):
                return start, count, last
            count += 1
            last = event
            start = end


def match_nothing(event: bytes) -> bool:  # noqa: ARG001
    """Recognise no event."""
    return False


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
    return DeltaTemplate(_matcher(head, tail, between), len(head), len(tail) - tail.find(b"\n"))


def _matcher(head: bytes, tail: bytes, between: Sequence[_Search]) -> Callable[[bytes], bool]:
    behind, before = len(head), -len(tail)

    def matches(event: bytes) -> bool:
        if not event.startswith(head) or not event.endswith(tail):
            return False
        middle = event[behind:before]
        if _LF in middle or _CR in middle:
            return False
        for find, piece in between:  # noqa: SIM110 (a third faster than all())
            if find(middle, piece) < 0:
                return False
        return True

    return matches
