"""What one worker carries, and how many a team needs: `python3 scripts/simulate_team.py`. Nothing leaves this machine.

First it measures what calls, events and streams cost one worker, and each of two: seconds of a processor, which a busy
machine changes little, and memory. Then it reckons for 1,000 and 100,000 people at work, with what one of them does as
options: how many workers that is, how even consistent hashing spreads them, what moves when a worker leaves, and how
many operations a second their shared state sees.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import platform
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import environment
import hash_ring

PACE = 0.1  # seconds between two deltas of a stream that is measured
AT_ONCE = 20  # calls, when they are measured
_REQUEST = 28_000  # bytes of one: OpenCode's first in a conversation
FULL = 0.7  # how much of a processor a worker may use: the rest is for when more happens than usual


class Cost(NamedTuple):
    """What one worker needs: seconds of a processor for a call and for an event, megabytes when idle and a stream."""

    call: float
    event: float
    idle: float
    stream: float


class Person(NamedTuple):
    """What one person at work does: calls a minute, seconds that a stream lasts, events a second in it."""

    calls: float
    seconds: float
    events: float

    @property
    def streams(self) -> float:
        """How many streams one has at a time, on average."""
        return self.calls * self.seconds / 60

    def load(self, cost: Cost) -> float:
        """How many seconds of a processor one needs in a second."""
        return self.calls / 60 * cost.call + self.streams * self.events * cost.event


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100, help="how many are measured at once (100)")
    parser.add_argument("--events", type=int, default=60, help="deltas of each (60)")
    parser.add_argument("--calls", type=int, default=200, help="how many short calls are measured (200)")
    parser.add_argument("--calls-a-minute", type=float, default=3, help="of a person at work (3)")
    parser.add_argument("--stream-seconds", type=float, default=15, help="how long one of their streams lasts (15)")
    parser.add_argument("--events-a-second", type=float, default=30, help="of such a stream (30)")
    parser.add_argument("--state-operations", type=float, default=4, help="on shared state, of a call (4)")
    options = parser.parse_args()
    environment.enter()
    import processes

    processes.exit_on_signals()
    person = Person(options.calls_a_minute, options.stream_seconds, options.events_a_second)
    print(f"Python {platform.python_version()}, mitmproxy {_mitmproxy()}, {platform.machine()}", flush=True)
    print("\nworkers   a call   an event    idle   a stream     carries, of each: calls/s   events/s", flush=True)
    costs = []
    for workers in (1, 2):
        costs.append(cost := _measure(workers, options))
        carries = f"{FULL / cost.call:34,.0f}{FULL / cost.event:11,.0f}"
        spent = f"{cost.call * 1000:6.1f} ms{cost.event * 1e6:8.0f} µs{cost.idle:5.0f} MB{cost.stream * 1000:8.0f} kB"
        print(f"{workers:7}{spent}{carries}", flush=True)
    print(f"\nA person at work: {person.calls:g} calls a minute, {person.streams:g} streams at a time, ", end="")
    print(f"{person.streams * person.events:g} events a second")
    print("\n people   streams   events/s   calls/s   workers   fullest    moves   state/s")
    for people in (1_000, 100_000):
        print(_reckoned(people, person, costs[0], options.state_operations), flush=True)
    if not all(cost.call > 0 and cost.event > 0 for cost in costs):
        sys.exit("NOT GOOD: nothing was measured")


def _reckoned(people: int, person: Person, cost: Cost, operations: float) -> str:
    """A line about so many people."""
    workers = max(2, math.ceil(people * person.load(cost) / FULL))
    streams = round(people * person.streams)
    fullest, moves = hash_ring.spread(workers, streams)
    calls = people * person.calls / 60
    return (
        f"{people:7,}{streams:10,}{streams * person.events:11,.0f}{calls:10,.0f}{workers:10,}"
        f"{fullest:9.0%} {moves:8.1%}{calls * operations:10,.0f}"
    )


def _measure(workers: int, options: argparse.Namespace) -> Cost:
    """What it costs each of so many workers, on average, when all of them are at work."""
    from load_setup import proxy

    with ExitStack() as stack:
        ports = []
        for _ in range(workers):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="codex-transform-team-"))
            ports.append(stack.enter_context(proxy(Path(folder), delay=PACE)))
        each = asyncio.run(_all(ports, options))
    return Cost(*(sum(figures) / workers for figures in zip(*each, strict=True)))


async def _all(ports: list[int], options: argparse.Namespace) -> list[Cost]:
    return await asyncio.gather(*(_cost(port, options.streams, options.events, options.calls) for port in ports))


async def _cost(port: int, streams: int, events: int, calls: int) -> Cost:
    import load_client
    from load_setup import held

    request = json.loads(load_client.body(1, "team"))
    request["input"].insert(0, {"role": "developer", "content": "of a call of OpenCode's size " * (_REQUEST // 29)})
    content = json.dumps(request).encode()
    room = asyncio.Semaphore(AT_ONCE)

    async def call() -> None:
        async with room:
            await load_client.ask(port, content)

    async def stream(number: int) -> None:
        answer = await load_client.ask(port, load_client.body(events, f"team-{number}"))
        if not load_client.is_right(answer, events):
            raise SystemExit(f"NOT GOOD: an answer is not what the endpoint sent: {answer}")

    await call()  # what is loaded once has been
    before = await held(port)
    await asyncio.gather(*(call() for _ in range(calls)))
    after_calls = await held(port)
    asked = asyncio.gather(*(stream(number) for number in range(streams)))
    await asyncio.sleep(events * PACE / 2)
    during = await held(port)
    await asked
    after = await held(port)
    a_call = (after_calls.cpu - before.cpu) / calls
    an_event = (after.cpu - after_calls.cpu - streams * a_call) / (streams * events)
    return Cost(a_call, an_event, before.memory, max(0.0, during.memory - after_calls.memory) / streams)


def _mitmproxy() -> str:
    from mitmproxy import version

    return version.VERSION


if __name__ == "__main__":
    main()
