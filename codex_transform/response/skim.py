"""Recognises runs of deltas that need nothing, by their bytes alone.

Strategy: nearly all of an answer is deltas, and one delta differs from the next in a few values only: its text, its
padding (`obfuscation`), its number, its item. `Skimmer.learn` is shown a delta that is as it must be and keeps the
pieces between those values: how it begins and ends, and each piece with a member that a client relies on. An event
made of the same pieces is as it must be too. What its strings say cannot look like a piece, because a quotation mark
within a JSON string is escaped.
"""

import re
from collections.abc import Callable, Iterable

# The values that differ, with the piece that leads to each; of an id, the kind of item (`msg_`) stays the same.
_VARYING = re.compile(
    rb'("(?:delta|obfuscation)"\s*:\s*")[^"\\]*+(?:\\.[^"\\]*+)*+'
    rb'|("sequence_number"\s*:\s*)\d++|("item_id"\s*:\s*"[^"\\]{2})[^"\\]*+'
)

_LF, _CR = b"\n\r"

# Pieces longer than this are no delta's.
_LONGEST = 512


class Skimmer:
    """Knows one kind of delta at a time. `count` is how many it has recognised, `last` the last of them."""

    def __init__(self) -> None:
        self.count = 0
        self.last = b""
        # Nothing begins with one of no heads.
        self._head: bytes | tuple[()] = ()
        self._tail = b""
        self._behind = 0
        self._after = 0
        self._between: tuple[tuple[Callable[[bytes, bytes], int], bytes], ...] = ()

    def learn(self, block: bytes, members: Iterable[bytes]) -> None:
        """From now on, events like `block` need nothing. It has all of `members`, each as `"name":`.

        The members must include `type`.
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
            return
        self._head = pieces.pop(0)[1]
        self._tail = tail
        self._behind = len(self._head)
        self._after = len(tail) - tail.find(b"\n")
        # What stands behind a long text is found faster from behind.
        self._between = tuple(
            (bytes.find if at < text else bytes.rfind, piece)
            for at, piece in pieces
            if any(member in piece for member in members)
        )

    def knows(self, event: bytes) -> bool:
        """True when this is one whole event that needs nothing."""
        tail = self._tail
        if not event.startswith(self._head) or not event.endswith(tail):
            return False
        middle = event[self._behind : -len(tail)]
        if _LF in middle or _CR in middle:
            return False
        for find, piece in self._between:
            if find(middle, piece) < 0:
                return False
        self.count += 1
        self.last = event
        return True

    def skim(self, data: bytes, start: int) -> int:
        """Where the whole events that need nothing end, from `start` on; `start` when there are none."""
        while True:
            end = data.find(b"\n", start + self._behind) + self._after
            if not self.knows(data[start:end]):
                return start
            start = end
