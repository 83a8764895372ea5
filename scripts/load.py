"""Tests many concurrent streams: `python3 scripts/load.py`. Takes about a minute; nothing leaves this machine.

Many clients stream through one mitmdump with the addon at the same time, each a different response, at the pace of a
model. All texts are checked. This is done with a fifth of the clients first and then with all, and the difference shows
how much memory a stream needs. If anything fails, it is printed and the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import environment

if TYPE_CHECKING:
    from load_setup import ResourceCounts

DELTA_INTERVAL = 0.1  # seconds between two deltas of a stream

# A stream may take this many times as long as the sandbox needs for it, plus one gap of this many seconds.
MAX_SLOWDOWN = 1.5
MAX_GAP = 5.0

MAX_MEMORY_PER_STREAM = 0.5  # megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500, help="number of concurrent streams (500)")
    parser.add_argument("--events", type=int, default=150, help="number of deltas in the shortest stream (150)")
    options = parser.parse_args()
    if options.streams < 2:
        parser.error("--streams must be at least 2, because two numbers of streams are compared")
    environment.enter()
    import processes
    from load_setup import proxy

    processes.exit_on_signals()
    with (
        tempfile.TemporaryDirectory(prefix="codex-transform-load-", ignore_cleanup_errors=True) as folder,
        proxy(Path(folder).resolve(), delay=DELTA_INTERVAL) as port,
    ):
        failures = asyncio.run(_load(port, options.streams, options.events))
    for failure in failures:
        print(f"FAILED: {failure}")
    sys.exit(1 if failures else 0)


async def _load(port: int, max_streams: int, events: int) -> list[str]:
    """Run the streams, print a line for each round, and return what failed."""
    import load_client
    from load_setup import resource_counts

    print("streams correct   events/s   fastest   slowest   longest gap      memory   files", flush=True)
    failures: list[str] = []
    memory: dict[int, float] = {}
    for streams in (max(max_streams // 5, 1), max_streams):
        # A hundred different lengths, so that an event in the wrong stream is noticed.
        counts = [events + index % 100 for index in range(streams)]
        half_way = asyncio.create_task(_counts_half_way(port, events))
        responses = await asyncio.gather(
            *(
                load_client.request(port, load_client.request_body(count, f"load-{number}"))
                for number, count in enumerate(counts)
            )
        )
        during = await half_way
        pairs = list(zip(responses, counts, strict=True))
        seconds = [response.seconds for response in responses]
        max_gap = max(response.max_gap for response in responses)
        wrong = [response for response, count in pairs if not load_client.is_expected(response, count)]
        slow = [
            response for response, count in pairs if response.seconds > MAX_SLOWDOWN * count * DELTA_INTERVAL + MAX_GAP
        ]
        memory[streams] = during.memory
        print(
            f"{streams:7}{streams - len(wrong):8}{sum(counts) / max(seconds):11,.0f}"
            f"{min(seconds):9.1f}s{max(seconds):9.1f}s{max_gap:13.2f}s{during.memory:9.1f} MB{during.files:8}",
            flush=True,
        )
        if wrong:
            failures.append(f"{len(wrong)} of {streams} responses are not what the endpoint sent, such as: {wrong[0]}")
        if slow or max_gap > MAX_GAP:
            failures.append(f"{len(slow)} of {streams} streams were too slow; the longest gap was {max_gap:.1f} s")
    few, many = memory
    per_stream = (memory[many] - memory[few]) / (many - few)
    print(f"memory per stream: {per_stream * 1000:.0f} kB")
    if per_stream > MAX_MEMORY_PER_STREAM:
        failures.append(f"each stream needs {per_stream:.2f} MB of memory")
    after = await resource_counts(port)
    print(f"afterwards: {after.tasks} tasks, {after.threads} threads, {after.files} files")
    return failures


async def _counts_half_way(port: int, events: int) -> ResourceCounts:
    """Return the proxy's resource counts when half of the events must have been sent."""
    from load_setup import resource_counts

    await asyncio.sleep(events * DELTA_INTERVAL / 2)
    return await resource_counts(port)


if __name__ == "__main__":
    main()
