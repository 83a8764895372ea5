"""Consistent hashing as in HAProxy: how evenly it spreads keys over workers, and which keys move when one leaves."""

from __future__ import annotations

import hashlib
from bisect import bisect
from collections import Counter
from collections.abc import Sequence

# Points of a worker on the ring: HAProxy has 16 per unit of weight, and docs/team/haproxy.cfg sets a weight of 100.
POINTS = 1600


class Ring:
    """Assigns keys to workers, which are numbered from 0."""

    def __init__(self, workers: int) -> None:
        points = ((position(f"{worker}:{point}"), worker) for worker in range(workers) for point in range(POINTS))
        self._set_points(sorted(points))

    def _set_points(self, points: Sequence[tuple[int, int]]) -> None:
        self._points = points
        self._positions = [position for position, _ in points]

    def worker(self, key: int) -> int:
        """Return the worker with the next point on the ring after the position `key`."""
        return self._points[bisect(self._positions, key) % len(self._points)][1]

    def remove(self, worker: int) -> None:
        """Remove a worker and all its points."""
        self._set_points([point for point in self._points if point[1] != worker])


def position(text: str) -> int:
    """Return the position of a text on the ring."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def spread(workers: int, keys: int) -> tuple[float, float]:
    """Return how uneven the spread of keys is, and which fraction of them moves when a worker leaves.

    The former is the number of keys of the fullest worker, divided by the average.
    """
    ring, positions = Ring(workers), [position(f"conversation-{number}") for number in range(keys)]
    before = [ring.worker(key) for key in positions]
    ring.remove(0)
    moved = sum(worker != ring.worker(key) for worker, key in zip(before, positions, strict=True))
    return max(Counter(before).values()) * workers / keys, moved / keys
