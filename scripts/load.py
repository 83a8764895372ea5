"""Many streams at once: `python3 scripts/load.py`. Takes about a minute; nothing leaves this machine.

So many clients each get an answer of their own through one mitmdump with the addon, all at the same time and at a
model's pace. Every text is compared with what it must be. First a fifth of them, then all: what one more stream costs
in memory shows in the difference. Ends with status 1 when something is not as it should be, and says what.
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
    from load_setup import Held

PACE = 0.1  # seconds between two deltas of a stream

SLOWEST = 1.5  # how many times as long as at its own pace a stream may take, not counting the next
LONGEST_GAP = 5.0  # seconds
MEMORY = 0.5  # megabytes that one more stream may take


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=500, help="how many at once (500)")
    parser.add_argument("--events", type=int, default=150, help="deltas of the shortest of them (150)")
    options = parser.parse_args()
    environment.enter()
    import processes
    from load_setup import proxy

    processes.exit_on_signals()
    with (
        tempfile.TemporaryDirectory(prefix="codex-transform-load-", ignore_cleanup_errors=True) as folder,
        proxy(Path(folder).resolve(), delay=PACE) as port,
    ):
        faults = asyncio.run(_load(port, options.streams, options.events))
    for fault in faults:
        print(f"NOT GOOD: {fault}")
    sys.exit(1 if faults else 0)


async def _load(port: int, most: int, events: int) -> list[str]:
    """Puts the load on, prints what came, and gives what is wrong with it."""
    import load_client
    from load_setup import held

    print("streams   whole   events/s   fastest   slowest   longest gap      memory   files", flush=True)
    faults: list[str] = []
    memory: dict[int, float] = {}
    for streams in (max(most // 5, 1), most):
        # No two have the same text, within what a hundred allow: an event in the wrong stream shows.
        counts = [events + index % 100 for index in range(streams)]
        half_way = asyncio.create_task(_half_way(port, events))
        answers = await asyncio.gather(
            *(load_client.ask(port, load_client.body(count, f"load-{n}")) for n, count in enumerate(counts))
        )
        during = await half_way
        pairs = list(zip(answers, counts, strict=True))
        seconds = [answer.seconds for answer in answers]
        gap = max(answer.gap for answer in answers)
        wrong = [answer for answer, count in pairs if not load_client.is_right(answer, count)]
        slow = [answer for answer, count in pairs if answer.seconds > SLOWEST * count * PACE + LONGEST_GAP]
        memory[streams] = during.memory
        print(
            f"{streams:7}{streams - len(wrong):8}{sum(counts) / max(seconds):11,.0f}"
            f"{min(seconds):9.1f}s{max(seconds):9.1f}s{gap:13.2f}s{during.memory:9.1f} MB{during.files:8}",
            flush=True,
        )
        if wrong:
            faults.append(f"{len(wrong)} of {streams} answers are not what the endpoint sent; one: {wrong[0]}")
        if slow or gap > LONGEST_GAP:
            faults.append(f"{len(slow)} of {streams} streams were held up; for {gap:.1f} s one got nothing")
    few, many = memory
    each = (memory[many] - memory[few]) / (many - few)
    print(f"one more stream: {each * 1000:.0f} kB")
    if each > MEMORY:
        faults.append(f"each stream takes {each:.2f} MB of memory")
    rest = await held(port)
    print(f"afterwards: {rest.tasks} tasks, {rest.threads} threads, {rest.files} files")
    return faults


async def _half_way(port: int, events: int) -> Held:
    from load_setup import held

    await asyncio.sleep(events * PACE / 2)
    return await held(port)


if __name__ == "__main__":
    main()
