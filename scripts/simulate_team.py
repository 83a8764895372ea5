"""Estimates how many workers a team needs: `python3 scripts/simulate_team.py`. Nothing leaves this machine.

First it measures what calls, events and streams cost one worker, and each of two: memory, and processor time, which
depends little on how busy the machine is. From that and from what a person does, which is set by options, it estimates
for 1,000 and 100,000 people: the number of workers, how evenly consistent hashing spreads the streams over them, how
many move when a worker leaves, and how many operations per second their shared state has to serve.
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

DELTA_INTERVAL = 0.1  # seconds between two deltas of a measured stream
CONCURRENT_CALLS = 20
_REQUEST_SIZE = 28_000  # bytes, as OpenCode's first request of a conversation
MAX_CPU_SHARE = 0.7  # of a processor that a worker may use, so that peaks have room


class Cost(NamedTuple):
    """What a worker needs: processor seconds per call and per event, megabytes when idle and per stream."""

    call: float
    event: float
    idle: float
    stream: float


class Person(NamedTuple):
    """What a person at work does: calls per minute, seconds per stream, and events per second in a stream."""

    calls: float
    seconds: float
    events: float

    @property
    def streams(self) -> float:
        """The average number of concurrent streams."""
        return self.calls * self.seconds / 60

    def load(self, cost: Cost) -> float:
        """Return the processor seconds per second that a person needs."""
        return self.calls / 60 * cost.call + self.streams * self.events * cost.event


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100, help="number of concurrent streams to measure (100)")
    parser.add_argument("--events", type=int, default=60, help="number of deltas in each stream (60)")
    parser.add_argument("--calls", type=int, default=200, help="number of short calls to measure (200)")
    parser.add_argument("--calls-a-minute", type=float, default=3, help="calls per minute of a person at work (3)")
    parser.add_argument("--stream-seconds", type=float, default=15, help="duration of one of their streams (15)")
    parser.add_argument("--events-a-second", type=float, default=30, help="events per second in such a stream (30)")
    parser.add_argument("--state-operations", type=float, default=4, help="operations on shared state per call (4)")
    options = parser.parse_args()
    environment.enter()
    import processes

    processes.exit_on_signals()
    person = Person(options.calls_a_minute, options.stream_seconds, options.events_a_second)
    print(f"Python {platform.python_version()}, mitmproxy {_mitmproxy_version()}, {platform.machine()}", flush=True)
    print("\nworkers per call  per event    idle per stream  capacity of each: calls/s   events/s", flush=True)
    costs = []
    for workers in (1, 2):
        costs.append(cost := _measure(workers, options))
        if cost.call <= 0 or cost.event <= 0:
            sys.exit("FAILED: no processor time was measured")
        capacity = f"{MAX_CPU_SHARE / cost.call:27,.0f}{MAX_CPU_SHARE / cost.event:11,.0f}"
        costs_text = (
            f"{cost.call * 1000:6.1f} ms{cost.event * 1e6:8.0f} µs{cost.idle:5.0f} MB{cost.stream * 1000:8.0f} kB"
        )
        print(f"{workers:7}{costs_text}{capacity}", flush=True)
    print(f"\nA person at work: {person.calls:g} calls a minute, {person.streams:g} streams at a time, ", end="")
    print(f"{person.streams * person.events:g} events a second")
    print("\n people   streams   events/s   calls/s   workers   fullest    moved   state/s")
    for people in (1_000, 100_000):
        print(_estimate(people, person, costs[0], options.state_operations), flush=True)


def _estimate(people: int, person: Person, cost: Cost, operations: float) -> str:
    """Return the line of the table for a number of people. `operations` on shared state are those of one call."""
    workers = max(2, math.ceil(people * person.load(cost) / MAX_CPU_SHARE))
    streams = round(people * person.streams)
    fullest, moved = hash_ring.spread(workers, streams)
    calls = people * person.calls / 60
    return (
        f"{people:7,}{streams:10,}{streams * person.events:11,.0f}{calls:10,.0f}{workers:10,}"
        f"{fullest:9.0%} {moved:8.1%}{calls * operations:10,.0f}"
    )


def _measure(workers: int, options: argparse.Namespace) -> Cost:
    """Return the average cost of each worker while all of them are working."""
    from load_setup import proxy

    with ExitStack() as stack:
        ports = []
        for _ in range(workers):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="codex-transform-team-"))
            ports.append(stack.enter_context(proxy(Path(folder), delay=DELTA_INTERVAL)))
        costs = asyncio.run(_measure_all(ports, options))
    return Cost(*(sum(figures) / workers for figures in zip(*costs, strict=True)))


async def _measure_all(ports: list[int], options: argparse.Namespace) -> list[Cost]:
    return await asyncio.gather(*(_measure_one(port, options.streams, options.events, options.calls) for port in ports))


async def _measure_one(port: int, streams: int, events: int, calls: int) -> Cost:
    """Measure the worker at `port`."""
    import load_client
    from load_setup import resource_counts

    request = json.loads(load_client.request_body(1, "team"))
    request["input"].insert(
        0, {"role": "developer", "content": "of a call of OpenCode's size " * (_REQUEST_SIZE // 29)}
    )
    body = json.dumps(request).encode()
    slots = asyncio.Semaphore(CONCURRENT_CALLS)

    async def call() -> None:
        async with slots:
            await load_client.request(port, body)

    async def stream(number: int) -> None:
        response = await load_client.request(port, load_client.request_body(events, f"team-{number}"))
        if not load_client.is_expected(response, events):
            raise SystemExit(f"FAILED: a response is not what the endpoint sent: {response}")

    await call()  # a warm-up: it loads what is loaded only once
    before = await resource_counts(port)
    await asyncio.gather(*(call() for _ in range(calls)))
    after_calls = await resource_counts(port)
    running_streams = asyncio.gather(*(stream(number) for number in range(streams)))
    await asyncio.sleep(events * DELTA_INTERVAL / 2)
    during = await resource_counts(port)
    await running_streams
    after = await resource_counts(port)
    per_call = (after_calls.cpu - before.cpu) / calls
    per_event = (after.cpu - after_calls.cpu - streams * per_call) / (streams * events)
    return Cost(per_call, per_event, before.memory, max(0.0, during.memory - after_calls.memory) / streams)


def _mitmproxy_version() -> str:
    from mitmproxy import version

    return version.VERSION


if __name__ == "__main__":
    main()
