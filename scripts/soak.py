"""Many requests, some of them faulty: `python3 scripts/soak.py`. Takes a few minutes; nothing leaves this machine.

So many requests go through one mitmdump with the addon, a few at a time; every twentieth meets one of the sandbox's
misbehaviours. After each twentieth part what the proxy holds is counted: from the second count on none of it may grow.
Ends with status 1 when it does, or when a good answer is not whole.
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
    from load_client import Answer
    from load_setup import Held

AT_ONCE = 8
COUNT = 40  # deltas an answer
FAULTY = 20  # one in so many
PARTS = 20

# Growth that is none: what the allocator keeps, what a connection more or less takes.
MEMORY = 8.0  # megabytes
OTHERS = 4

PATIENCE = 15.0  # seconds until what has ended must be gone

MISBEHAVIOURS = (
    # First, because of the memory that it leaves to the allocator.
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
    parser.add_argument("--requests", type=int, default=20_000, help="how many in all (20,000)")
    options = parser.parse_args()
    environment.enter()
    import processes
    from load_setup import proxy

    processes.exit_on_signals()
    with (
        tempfile.TemporaryDirectory(prefix="codex-transform-soak-", ignore_cleanup_errors=True) as folder,
        proxy(Path(folder).resolve(), options=("codex_idle_timeout=2",)) as port,
    ):
        faults = asyncio.run(_soak(port, max(options.requests // PARTS, 1)))
    for fault in faults:
        print(f"NOT GOOD: {fault}")
    sys.exit(1 if faults else 0)


async def _soak(port: int, part: int) -> list[str]:
    """Sends twenty times `part` requests, prints what the proxy holds, and gives what is wrong."""
    from load_setup import held

    print("requests   good   faulty      memory   tasks   threads   files", flush=True)
    plan = zip(itertools.count(), _misbehaviours())
    good = faulty = 0
    counts: list[Held] = []
    for _ in range(PARTS):
        good_now, faulty_now, wrong = await _some(port, itertools.islice(plan, part))
        good, faulty = good + good_now, faulty + faulty_now
        now = await held(port)
        counts.append(now)
        print(
            f"{good + faulty:8}{good:7}{faulty:9}{now.memory:9.1f} MB{now.tasks:8}{now.threads:10}{now.files:8}",
            flush=True,
        )
        if wrong:
            return [f"{len(wrong)} answers that nothing was done to are not whole; one: {wrong[0]}"]
    faults = list(_grown(counts[1], counts[-1]))
    until = time.monotonic() + PATIENCE
    # On a busy machine a few connections may still be closing: what has leaked stays.
    while faults and time.monotonic() < until:
        await asyncio.sleep(0.5)
        faults = list(_grown(counts[1], await held(port)))
    return faults


def _grown(early: Held, late: Held) -> Iterator[str]:
    if late.memory > early.memory + MEMORY:
        yield f"memory grew from {early.memory:.1f} to {late.memory:.1f} MB"
    for name in ("tasks", "threads", "files"):
        before, after = getattr(early, name), getattr(late, name)
        if after > before + OTHERS:
            yield f"{name} grew from {before} to {after}"


async def _some(port: int, plan: Iterator[tuple[int, str]]) -> tuple[int, int, list[Answer]]:
    """Sends what is planned, `AT_ONCE` at a time: how many right answers, how many spoilt ones, and all wrong ones."""
    import load_client

    good = faulty = 0
    wrong: list[Answer] = []

    async def worker() -> None:
        nonlocal good, faulty
        # All workers take from the one iterator.
        for number, misbehaviour in plan:
            # Sessions come and go, as they do in real use.
            answer = await load_client.ask(port, load_client.body(COUNT, f"soak-{number // 50}"), misbehaviour)
            if misbehaviour:
                faulty += 1
            elif load_client.is_right(answer, COUNT):
                good += 1
            else:
                wrong.append(answer)

    await asyncio.gather(*(worker() for _ in range(AT_ONCE)))
    return good, faulty, wrong


def _misbehaviours() -> Iterator[str]:
    """What the sandbox does, request for request: mostly nothing."""
    kinds = itertools.cycle(MISBEHAVIOURS)
    for number in itertools.count(1):
        yield next(kinds) if number % FAULTY == 0 else ""


if __name__ == "__main__":
    main()
