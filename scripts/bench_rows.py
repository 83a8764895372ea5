"""The rows of the benchmark: what each one sends and measures, and its goal.

Strategy: `Bench.compare` has what most rows with running proxies share: connections, rounds and samples. The order of
the two proxies alternates from round to round, so that neither always runs on caches that the other has just filled.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from pathlib import Path

import bench_bodies
import environment
from bench_bodies import DAY, FIRST, HOUR
from bench_client import TIMEOUT, BenchError, Connection, Target, WebSocketConnection, elapsed, exchange
from bench_proxy import addon_environ, cpu_seconds, proxy, resident_megabytes
from bench_table import ADDON, BARE, Goal, Result

# The number of events of the small response, and of a response with deltas beside these.
SMALL_EVENTS = len(bench_bodies.small())
EVENTS_BESIDE_DELTAS = len(bench_bodies.deltas(0))

_PROXIES = (BARE, ADDON)
_WARM_UP_ROUNDS = 5  # of the row `transform`

# The command of the row `run`; the options spare Python what it loads by default.
_CLIENT = (sys.executable, "-I", "-S", str(Path(__file__).with_name("bench_run_client.py")))


class Bench:
    """A run of the benchmark: its folder, its endpoint, and its two proxies, which start when a row needs them."""

    def __init__(self, folder: Path, endpoint: Target, tls: bool) -> None:
        self.folder = folder
        self._endpoint = endpoint
        self._tls = tls
        self._proxies: dict[str, Target] = {}
        self._running = ExitStack()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def proxy(self, name: str) -> AbstractContextManager[tuple[Target, float]]:
        """Start another proxy; the context manager yields it, and how many seconds its start took."""
        return proxy(name, self.folder, self._endpoint.port)

    def connect(self, target: Target) -> closing[Connection]:
        """Connect to a target; the connection is closed when the block is left."""
        return closing(Connection(target, self._tls))

    def first_event_through_run(self) -> float:
        """Return the seconds until a command that `codex-transform run` starts has its first event."""
        home = self.folder / "run"
        environ = addon_environ(home, self._endpoint.port)
        started_at = time.monotonic()
        return _first_event_at([environment.program("codex-transform"), "run", *_CLIENT], environ, home) - started_at

    def first_event_through_bare(self) -> float:
        """Return the seconds that starting a bare proxy takes, and then a command until it has its first event."""
        started_at = time.monotonic()
        with self.proxy(BARE) as (target, _):
            environ = os.environ | {"HTTPS_PROXY": f"http://127.0.0.1:{target.port}"}
            return _first_event_at(_CLIENT, environ, self.folder) - started_at

    def compare(
        self,
        result: Result,
        rounds: int,
        figure: Callable[[Sequence[Connection]], float],
        response: str,
        events: int,
        size: int = FIRST,
        streams: int = 1,
        websocket: bool = False,
        vary: Callable[[bytes, int], bytes] = bench_bodies.other_conversation,
    ) -> Result:
        """Measure both proxies in `rounds` rounds after a warm-up, add the samples to `result` and return it.

        In each round, `streams` connections request the endpoint's `response`, which has this many `events`, with a
        body of `size` bytes; `figure` returns the sample. `vary` changes the body for each round: by default each is a
        new conversation. With `websocket`, the addon's connections are WebSockets. Raises BenchError if events are
        missing.
        """
        for name in _PROXIES:
            if name not in self._proxies:
                self._proxies[name] = self._running.enter_context(self.proxy(name))[0]
        body = bench_bodies.request(size)
        with ExitStack() as stack:
            connections = {
                name: [
                    stack.enter_context(
                        closing(WebSocketConnection(target, response))
                        if websocket and name == ADDON
                        else self.connect(target)
                    )
                    for _ in range(streams)
                ]
                for name, target in self._proxies.items()
            }
            for number, (name, is_warm_up) in enumerate(alternate(_PROXIES, rounds)):
                request = vary(body, number // 2)
                cpu_before = cpu_seconds(self._proxies[name].pid)
                for connection in connections[name]:
                    connection.send(request, response)
                exchange(connections[name])
                cpu = cpu_seconds(self._proxies[name].pid) - cpu_before
                for arrived in (connection.events() for connection in connections[name]):
                    if arrived != events:
                        raise BenchError(f"{name}: {arrived} of {events} events arrived")
                if not is_warm_up:
                    result.add(name, figure(connections[name]), cpu)
        return result


def _first_event_at(command: Sequence[str], environ: Mapping[str, str], cwd: Path) -> float:
    """Run `bench_run_client.py` by this command; return when its first event arrived. Raises BenchError."""
    done = subprocess.run(command, env=environ, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return float(done.stdout)


def alternate(names: Sequence[str], rounds: int) -> Iterator[tuple[str, bool]]:
    """Yield the proxies' names in changing order, and whether it is the warm-up, an additional first round."""
    for number in range(rounds + 1):
        for name in names if number % 2 else reversed(names):
            yield name, number == 0


def events(bench: Bench, divisor: int) -> list[Result]:
    """Events per second."""
    result = Result("events", "events, 4 streams of 5,000", "per s", Goal(0.97, at_least=True))
    events = 5000 + EVENTS_BESIDE_DELTAS
    return [bench.compare(result, 20 // divisor, _events_per_second, "deltas 5000", events, streams=4)]


def websocket(bench: Bench, divisor: int) -> list[Result]:
    """Events per second over WebSockets, compared with those that bare mitmdump forwards over HTTP."""
    result = Result("websocket", "events over 4 WebSockets, bare: HTTP", "per s", Goal(0.78, at_least=True))
    events = 5000 + EVENTS_BESIDE_DELTAS
    return [bench.compare(result, 20 // divisor, _events_per_second, "deltas 5000", events, streams=4, websocket=True)]


def first(bench: Bench, divisor: int) -> list[Result]:
    """Time to the first event of the response to OpenCode's first request."""
    result = Result("first", "first event, 28 KB request", "ms", Goal(1.2))
    return [bench.compare(result, 300 // divisor, _first_event_ms, "first 0", SMALL_EVENTS)]


def whole(bench: Bench, divisor: int) -> list[Result]:
    """Time to the end of a small response."""
    result = Result("whole", "28 KB request, 9 events", "ms", Goal(1.2))
    return [bench.compare(result, 400 // divisor, _total_ms, "small 0", SMALL_EVENTS)]


def history(bench: Bench, divisor: int) -> list[Result]:
    """Time to the first event with the history of an hour and of a long day; of the latter also if it is new."""
    rows = (
        ("325 KB, 80 calls", HOUR, 200, Goal(1.1), bench_bodies.later_turn),
        ("3.4 MB, 900 calls", DAY, 60, Goal(1.2), bench_bodies.later_turn),
        ("3.4 MB, not seen before", DAY, 60, Goal(1.6), bench_bodies.other_conversation),
    )
    return [
        bench.compare(
            Result("history", f"first event, {name}", "ms", goal),
            rounds // divisor,
            _first_event_ms,
            "first 0",
            SMALL_EVENTS,
            size=size,
            vary=vary,
        )
        for name, size, rounds, goal, vary in rows
    ]


def streams(bench: Bench, divisor: int) -> list[Result]:
    """Delay of the events of many concurrent streams, once all of them are running and their requests are handled."""

    def p99(connections: Sequence[Connection]) -> float:
        begin = max(connection.first_event_at for connection in connections) + 0.5
        end = min(connection.ended_at for connection in connections)
        delays_by_time = [pair for connection in connections for pair in connection.delays()]
        delays = [delay for sent_at, delay in delays_by_time if begin < sent_at < end]
        # On a busy machine the last stream may begin after the first has ended; then all events count.
        if len(delays) < 100:
            delays = [delay for _, delay in delays_by_time]
        return 1000 * statistics.quantiles(delays, n=100)[98]

    result = Result("streams", "200 streams of 50/s, p99 delay", "ms", Goal(1.1))
    rounds, count = (6, 150) if divisor == 1 else (2, 300 // divisor + 15)
    return [bench.compare(result, rounds, p99, f"paced {count}", count + SMALL_EVENTS, streams=200)]


def memory(bench: Bench, divisor: int) -> list[Result]:
    """Memory of a new proxy after a long response, and by how much the response has increased it."""
    megabytes = 100 // divisor
    total = Result("memory", f"memory after a {megabytes} MB response", "MB", Goal(4, by="−"))
    growth = Result("memory", f"memory added by a {megabytes} MB response", "MB", Goal(4, by="−"))
    body = bench_bodies.request(FIRST)
    for name, is_warm_up in alternate(_PROXIES, 2):
        if is_warm_up:
            continue
        with bench.proxy(name) as (target, _), bench.connect(target) as connection:
            for _ in range(20):
                connection.send(body, "small 0")
                exchange([connection])
            before = resident_megabytes(target.pid)
            connection.send(body, f"megabytes {megabytes}", keep=False)
            exchange([connection])
            after = resident_megabytes(target.pid)
            if connection.size < 0.9e6 * megabytes:
                raise BenchError(f"{name}: only {connection.size} bytes of {megabytes} MB arrived")
        total.add(name, after)
        growth.add(name, after - before)
    return [total, growth]


def start(bench: Bench, divisor: int) -> list[Result]:
    """Time from the command to the line with the proxy's port, and to the end of a first small response."""
    ready = Result("start", "start to ready", "s", Goal(0.15, by="−"))
    responded = Result("start", "start to the first response", "s", Goal(0.15, by="−"))
    for name, is_warm_up in alternate(_PROXIES, max(8 // divisor, 2)):
        with bench.proxy(name) as (target, seconds), bench.connect(target) as connection:
            connection.send(bench_bodies.request(FIRST), "small 0")
            exchange([connection])
            if not is_warm_up:
                ready.add(name, seconds)
                responded.add(name, seconds + connection.ended_at - connection.sent_at)
    return [ready, responded]


def run(bench: Bench, divisor: int) -> list[Result]:
    """Time until a command has its first event: started by `run`, or once a bare proxy listens."""
    result = Result("run", "run to its command's first event", "s", Goal(0.15, by="−"))
    for name, is_warm_up in alternate(_PROXIES, max(8 // divisor, 2)):
        seconds = bench.first_event_through_run() if name == ADDON else bench.first_event_through_bare()
        if not is_warm_up:
            result.add(name, seconds)
    return [result]


def transform(bench: Bench, divisor: int) -> list[Result]:
    """Processor time of the addon's own work on a request, from bytes to bytes, without a proxy."""
    from codex_transform.clients.client import OPENCODE
    from codex_transform.instructions.store import InstructionStore
    from codex_transform.opencode.config import OpenCodeConfig
    from codex_transform.request import Context
    from codex_transform.request import transform as rewrite
    from codex_transform.request.client_request import read_request, write_request
    from codex_transform.request.prefix_memory import PrefixMemory

    instructions = InstructionStore(bench.folder / "cache", "http://127.0.0.1:9/none")
    context = Context(OPENCODE, True, OpenCodeConfig().options_for, instructions.text)
    results = []
    for size, name, goal, rounds in ((FIRST, "28 KB", 0.12, 1000), (HOUR, "325 KB", 0.6, 300), (DAY, "3.4 MB", 6, 50)):
        for code in (False, True) if size > FIRST else (False,):
            result = Result("transform", f"transform alone, {name}{' of code' * code}", "ms", Goal(goal, by="alone"))
            body = bench_bodies.request(size, code)
            for number in range(rounds // divisor + _WARM_UP_ROUNDS):
                started_at = time.thread_time()
                write_request(rewrite(read_request(body).body, context).body)
                if number >= _WARM_UP_ROUNDS:
                    result.add(ADDON, 1000 * (time.thread_time() - started_at))
            results.append(result)
    result = Result("transform", "transform alone, 3.4 MB, next turn", "ms", Goal(1, by="alone"))
    memory = PrefixMemory()
    for turn in range(50 // divisor + _WARM_UP_ROUNDS):
        body = bench_bodies.later_turn(bench_bodies.request(DAY), turn)
        started_at = time.thread_time()
        request = memory.read((), body)
        write_request(rewrite(request.body, context).body)
        memory.remember((), request)
        if turn >= _WARM_UP_ROUNDS:
            result.add(ADDON, 1000 * (time.thread_time() - started_at))
    return [*results, result]


def _events_per_second(connections: Sequence[Connection]) -> float:
    return len(connections) * (5000 + EVENTS_BESIDE_DELTAS) / elapsed(connections)


def _first_event_ms(connections: Sequence[Connection]) -> float:
    return connections[0].first_event_ms


def _total_ms(connections: Sequence[Connection]) -> float:
    return connections[0].total_ms


# Each takes a number that the rounds are divided by: 1 for full precision.
MEASURES: dict[str, Callable[[Bench, int], list[Result]]] = {
    "events": events,
    "websocket": websocket,
    "first": first,
    "whole": whole,
    "history": history,
    "transform": transform,
    "memory": memory,
    "streams": streams,
    "start": start,
    "run": run,
}
