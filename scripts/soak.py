"""Looks for leaks: `python3 scripts/soak.py`. Takes a few minutes; nothing leaves this machine.

Many requests go through one mitmdump with the addon, a few at a time. For every twentieth the sandbox applies one of
its faults. The run has twenty parts, and after each the proxy's resources are counted. If they grow after the second
part, or if a response without a fault is not complete, the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import environment

if TYPE_CHECKING:
    from load_client import Response
    from load_setup import ResourceCounts

CONCURRENCY = 8
DELTAS = 40  # per response
FAULT_EVERY = 20  # requests
PARTS = 20

# Growth that is no leak: free memory that the allocator keeps, and the tasks, threads and files of open connections.
MEMORY_TOLERANCE = 8.0  # megabytes
COUNT_TOLERANCE = 4

SETTLE_TIMEOUT = 15.0  # seconds until closed connections must be gone

FAULTS = (
    # First, because the allocator keeps much memory after it.
    "flood@2",
    "cut",
    "cut-mid-event",
    "cut-before-head",
    "reset",
    "reset-before-head",
    "half-head",
    "not-http",
    "bad-chunk",
    "no-terminal",
    "failed",
    "error-event",
    "gzip-truncated",
    "false-gzip",
    "html-502",
    "empty",
    "usage-limit-429",
    "json",
    "unauthorized",
    "hang",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000, help="total number of requests (20,000)")
    options = parser.parse_args()
    environment.enter()
    import processes
    from load_setup import proxy

    processes.exit_on_signals()
    with (
        tempfile.TemporaryDirectory(prefix="codex-transform-soak-", ignore_cleanup_errors=True) as folder,
        proxy(Path(folder).resolve(), options=("codex_idle_timeout=2",)) as port,
    ):
        failures = asyncio.run(_soak(port, max(options.requests // PARTS, 1)))
    for failure in failures:
        print(f"FAILED: {failure}")
    sys.exit(1 if failures else 0)


async def _soak(port: int, part_size: int) -> list[str]:
    """Send all requests, `part_size` in each part, print the counts after each part, and return what failed."""
    from load_setup import resource_counts

    print("requests   good   faulty      memory   tasks   threads   files", flush=True)
    plan = zip(itertools.count(), _planned_faults())
    good = faulty = 0
    counts: list[ResourceCounts] = []
    for _ in range(PARTS):
        part_good, part_faulty, wrong = await _send_part(port, itertools.islice(plan, part_size))
        good, faulty = good + part_good, faulty + part_faulty
        now = await resource_counts(port)
        counts.append(now)
        print(
            f"{good + faulty:8}{good:7}{faulty:9}{now.memory:9.1f} MB{now.tasks:8}{now.threads:10}{now.files:8}",
            flush=True,
        )
        if wrong:
            return [f"{len(wrong)} responses without a fault are not what the endpoint sent, such as: {wrong[0]}"]
    growth = list(_growth(counts[1], counts[-1]))
    deadline = time.monotonic() + SETTLE_TIMEOUT
    # On a busy machine a few connections may still be closing; a leak remains.
    while growth and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        growth = list(_growth(counts[1], await resource_counts(port)))
    return growth


def _growth(early: ResourceCounts, late: ResourceCounts) -> Iterator[str]:
    """Yield a message for each resource that has grown by more than the tolerance."""
    if late.memory > early.memory + MEMORY_TOLERANCE:
        yield f"memory grew from {early.memory:.1f} to {late.memory:.1f} MB"
    for name in ("tasks", "threads", "files"):
        before, after = getattr(early, name), getattr(late, name)
        if after > before + COUNT_TOLERANCE:
            yield f"{name} grew from {before} to {after}"


async def _send_part(port: int, plan: Iterator[tuple[int, str]]) -> tuple[int, int, list[Response]]:
    """Send requests, `CONCURRENCY` at a time, by their numbers and faults.

    Returns the number of good responses, of those with a fault, and the wrong ones among the others.
    """
    import load_client

    good = faulty = 0
    wrong: list[Response] = []

    async def send() -> None:
        nonlocal good, faulty
        # All tasks share one iterator.
        for number, fault in plan:
            # A new conversation begins every 50 requests, as in real use.
            body = load_client.request_body(DELTAS, f"soak-{number // 50}")
            response = await load_client.request(port, body, fault)
            if fault:
                faulty += 1
            elif load_client.is_expected(response, DELTAS):
                good += 1
            else:
                wrong.append(response)

    await asyncio.gather(*(send() for _ in range(CONCURRENCY)))
    return good, faulty, wrong


def _planned_faults() -> Iterator[str]:
    """Yield the fault of each request; "" for most."""
    faults = itertools.cycle(FAULTS)
    for number in itertools.count(1):
        yield next(faults) if number % FAULT_EVERY == 0 else ""


if __name__ == "__main__":
    main()
