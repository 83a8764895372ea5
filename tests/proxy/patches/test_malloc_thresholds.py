"""After the thresholds are set, a freed block of megabytes is used again instead of being taken from the system."""

import platform
import subprocess
import sys

import pytest

from codex_transform.proxy.patches.malloc_thresholds import MallocThresholds

SIZE, BLOCKS = 4_000_000, 50

# As the requests of a conversation are: each is larger than the one before, which is kept until it has been read.
PROGRAM = f"""
import resource, sys
from codex_transform.proxy.patches.malloc_thresholds import MallocThresholds
if sys.argv[1:]:
    MallocThresholds().load(None)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
kept = b""
for number in range({BLOCKS}):
    block = b"x" * ({SIZE} + 5000 * number)
    sent = block + b"x"
    kept = block
    del block, sent
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize())
"""


def fetched_bytes(*arguments: str) -> int:
    """Return how much memory the system had to provide for all blocks."""
    return int(subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_freed_block_is_used_again() -> None:
    assert fetched_bytes("set") < 10 * SIZE
    assert fetched_bytes() > BLOCKS * SIZE / 2


def test_the_thresholds_can_be_set_twice() -> None:
    """As when mitmproxy loads the script again."""
    for _ in range(2):
        MallocThresholds().load(None)
