"""Consistent hashing as HAProxy does it: how even the shares of workers are, and what moves when one leaves."""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections import Counter
from collections.abc import Sequence

POINTS = 1600  # of a worker on the ring: HAProxy has 16 for each unit of weight, and docs/team/haproxy.cfg gives it 100


class Ring:
    """Where keys belong that are spread over workers, which are numbered from 0."""

    def __init__(self, workers: int) -> None:
        points = ((place(f"{worker}:{point}"), worker) for worker in range(workers) for point in range(POINTS))
        self._use(sorted(points))

    def _use(self, ring: Sequence[tuple[int, int]]) -> None:
        self._ring = ring
        self._places = [place for place, _ in ring]

    def worker(self, key: int) -> int:
        """The worker that has the next point on the ring."""
        return self._ring[bisect(self._places, key) % len(self._ring)][1]

    def remove(self, worker: int) -> None:
        """A worker leaves."""
        self._use([point for point in self._ring if point[1] != worker])


def place(text: str) -> int:
    """Where a text is on the ring."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def spread(workers: int, keys: int) -> tuple[float, float]:
    """How many times the average share the fullest worker has, and the part of all keys that moves when one leaves."""
    ring, places = Ring(workers), [place(f"conversation-{number}") for number in range(keys)]
    before = [ring.worker(key) for key in places]
    ring.remove(0)
    moved = sum(worker != ring.worker(key) for worker, key in zip(before, places, strict=True))
    return max(Counter(before).values()) * workers / keys, moved / keys
