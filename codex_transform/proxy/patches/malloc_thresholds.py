"""Keeps the memory of one large body for the next one, where the C library is glibc.

glibc takes memory for a large block from the system and returns it when the block is freed; from the size of the block
it learns to keep memory of that size. But each request of a conversation is larger than the one before, so that never
helps, and the system has to provide thousands of pages anew for every request: 2 ms for one of 3.4 MB. With fixed
thresholds (mallopt(3)) such blocks are taken from what is free already; up to 64 MB are kept for that.
"""

import ctypes
import sys

# mallopt's parameters in glibc's malloc.h, and its largest M_MMAP_THRESHOLD.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 32 * 1024 * 1024
_TRIM_BYTES = 64 * 1024 * 1024


class MallocThresholds:
    """Addon: sets the thresholds for the process, for good."""

    def load(self, _loader: object) -> None:
        """Set them; another C library is left alone."""
        if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
            mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
            mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
