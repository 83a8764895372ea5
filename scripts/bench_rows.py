"""The rows of the benchmark: what each one sends, what its figure is, and its goal.

Strategy: `Bench.compare` does what is the same for every row that needs running proxies: connections, turns, samples.
Which of the two comes first changes from turn to turn, so that neither always finds the caches as the other left them.
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
from bench_client import PATIENCE, BenchError, Connection, SocketConnection, Target, exchange
from bench_proxy import addon_environ, busy, proxy, resident
from bench_table import ADDON, BARE, Goal, Result

# How many events an answer has, and how many one with deltas has besides them.
SMALL = len(bench_bodies.small())
AROUND = len(bench_bodies.deltas(0))

# A command of the row `run`, without what Python reads at a start by default.
_CLIENT = (sys.executable, "-I", "-S", str(Path(__file__).with_name("bench_run_client.py")))


class Bench:
    """One run: its folder, its endpoint, and its proxies, which start when a row needs them."""

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
        """A proxy of its own, and how many seconds it took to be ready."""
        return proxy(name, self.folder, self._endpoint.port)

    def connect(self, target: Target) -> closing[Connection]:
        """A connection that is closed after the block."""
        return closing(Connection(target, self._tls))

    def first_answer_by_run(self) -> float:
        """Seconds until a command behind `codex-transform run` has its first answer."""
        home = self.folder / "run"
        environ = addon_environ(home, self._endpoint.port)
        begun = time.monotonic()
        return _answered([environment.program("codex-transform"), "run", *_CLIENT], environ, home) - begun

    def first_answer_by_bare(self) -> float:
        """Seconds until a command has its first answer through a bare proxy, for which it has waited."""
        begun = time.monotonic()
        with self.proxy(BARE) as (target, _):
            environ = os.environ | {"HTTPS_PROXY": f"http://127.0.0.1:{target.port}"}
            return _answered(_CLIENT, environ, self.folder) - begun

    def compare(
        self,
        result: Result,
        turns: int,
        figure: Callable[[Sequence[Connection]], float],
        answer: str,
        events: int,
        size: int = FIRST,
        streams: int = 1,
        websocket: bool = False,
    ) -> Result:
        """Adds to `result` the figures of so many turns, in which each of `streams` connections gets this answer.

        `events` is what it must bring; raises BenchError if it does not. With `websocket` the addon's connections are
        WebSockets.
        """
        for name in (BARE, ADDON):
            if name not in self._proxies:
                self._proxies[name] = self._running.enter_context(self.proxy(name))[0]
        body = bench_bodies.request(size)
        with ExitStack() as stack:
            connections = {
                name: [
                    stack.enter_context(
                        closing(SocketConnection(target, answer))
                        if websocket and name == ADDON
                        else self.connect(target)
                    )
                    for _ in range(streams)
                ]
                for name, target in self._proxies.items()
            }
            for name, counts in in_turn(turns):
                before = busy(self._proxies[name].pid)
                for connection in connections[name]:
                    connection.send(body, answer)
                exchange(connections[name])
                cpu = busy(self._proxies[name].pid) - before
                for came in (connection.events() for connection in connections[name]):
                    if came != events:
                        raise BenchError(f"{name}: {came} events came of {events}")
                if counts:
                    result.add(name, figure(connections[name]), cpu)
        return result


def _answered(command: Sequence[str], environ: Mapping[str, str], cwd: Path) -> float:
    """When the answer came that the command asked for. Raises BenchError if none did."""
    done = subprocess.run(command, env=environ, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return float(done.stdout)


def in_turn(turns: int) -> Iterator[tuple[str, bool]]:
    """Who is next, and whether it counts; the first turn does not."""
    for turn in range(turns + 1):
        for name in (BARE, ADDON) if turn % 2 else (ADDON, BARE):
            yield name, turn > 0


def events(bench: Bench, haste: int) -> list[Result]:
    """Events per second."""

    def rate(connections: Sequence[Connection]) -> float:
        seconds = max(each.ended for each in connections) - min(each.sent for each in connections)
        return len(connections) * (5000 + AROUND) / seconds

    result = Result("events", "events, 4 streams of 5,000", "per s", Goal(0.97, at_least=True))
    return [bench.compare(result, 20 // haste, rate, "deltas 5000", 5000 + AROUND, streams=4)]


def websocket(bench: Bench, haste: int) -> list[Result]:
    """Events per second over WebSockets, against those that bare mitmdump passes over HTTP."""

    def rate(connections: Sequence[Connection]) -> float:
        seconds = max(each.ended for each in connections) - min(each.sent for each in connections)
        return len(connections) * (5000 + AROUND) / seconds

    result = Result("websocket", "events over 4 WebSockets, bare: HTTP", "per s", Goal(0.78, at_least=True))
    return [bench.compare(result, 20 // haste, rate, "deltas 5000", 5000 + AROUND, streams=4, websocket=True)]


def first(bench: Bench, haste: int) -> list[Result]:
    """Time to the first event of an answer to OpenCode's first request."""
    result = Result("first", "first event, 28 KB request", "ms", Goal(1.4))
    return [bench.compare(result, 300 // haste, _to_first, "first 0", SMALL)]


def whole(bench: Bench, haste: int) -> list[Result]:
    """Time to the end of a small answer."""
    result = Result("whole", "28 KB request, 9 events", "ms", Goal(1.4))
    return [bench.compare(result, 400 // haste, lambda each: 1000 * (each[0].ended - each[0].sent), "small 0", SMALL)]


def history(bench: Bench, haste: int) -> list[Result]:
    """Time to the first event after a long day's work."""
    result = Result("history", "first event, 3.4 MB, 900 calls", "ms", Goal(1.6))
    return [bench.compare(result, 60 // haste, _to_first, "first 0", SMALL, size=DAY)]


def streams(bench: Bench, haste: int) -> list[Result]:
    """Delay of the events of many streams at once, counted when all of them run and their requests are dealt with."""

    def p99(connections: Sequence[Connection]) -> float:
        begin = max(each.first for each in connections) + 0.5
        end = min(each.ended for each in connections)
        sent_delays = [pair for each in connections for pair in each.delays()]
        steady = [delay for sent, delay in sent_delays if begin < sent < end]
        # On a busy machine the last stream may begin when the first has ended: then all that there is counts.
        delays = steady if len(steady) >= 100 else [delay for _, delay in sent_delays]
        return 1000 * statistics.quantiles(delays, n=100)[98]

    result = Result("streams", "200 streams of 50/s, p99 delay", "ms", Goal(1.1))
    turns, count = (6, 150) if haste == 1 else (2, 75)
    return [bench.compare(result, turns, p99, f"paced {count}", count + SMALL, streams=200)]


def memory(bench: Bench, haste: int) -> list[Result]:
    """What a fresh proxy holds after a long answer, and how much more that is than before it."""
    megabytes = 100 // haste
    held = Result("memory", f"memory after a {megabytes} MB answer", "MB", Goal(4, by="−"))
    grown = Result("memory", f"memory it grew by in {megabytes} MB", "MB", Goal(4, by="−"))
    body = bench_bodies.request(FIRST)
    for name, counts in in_turn(2):
        if not counts:
            continue
        with bench.proxy(name) as (target, _), bench.connect(target) as connection:
            for _ in range(20):
                connection.send(body, "small 0")
                exchange([connection])
            before = resident(target.pid)
            connection.send(body, f"megabytes {megabytes}", keep=False)
            exchange([connection])
            after = resident(target.pid)
            if connection.size < 0.9e6 * megabytes:
                raise BenchError(f"{name}: {connection.size} bytes came of {megabytes} MB")
        held.add(name, after)
        grown.add(name, after - before)
    return [held, grown]


def start(bench: Bench, haste: int) -> list[Result]:
    """Time from the command to the line that says where the proxy listens, and to the end of a first small call."""
    ready = Result("start", "start to ready", "s", Goal(0.15, by="−"))
    called = Result("start", "start to the first answer", "s", Goal(0.15, by="−"))
    for name, counts in in_turn(max(8 // haste, 2)):
        with bench.proxy(name) as (target, seconds), bench.connect(target) as connection:
            connection.send(bench_bodies.request(FIRST), "small 0")
            exchange([connection])
            if counts:
                ready.add(name, seconds)
                called.add(name, seconds + connection.ended - connection.sent)
    return [ready, called]


def run(bench: Bench, haste: int) -> list[Result]:
    """Time until a command has its first answer: with `run` before it, or with a bare proxy that listens by then."""
    result = Result("run", "run to its command's first answer", "s", Goal(0.15, by="−"))
    for name, counts in in_turn(max(8 // haste, 2)):
        seconds = bench.first_answer_by_run() if name == ADDON else bench.first_answer_by_bare()
        if counts:
            result.add(name, seconds)
    return [result]


def transform(bench: Bench, haste: int) -> list[Result]:
    """The addon's own part of a request, without a proxy: bytes to bytes."""
    from codex_transform.clients.client import OPENCODE
    from codex_transform.instructions.store import InstructionStore
    from codex_transform.jsonio import dumps, parse_request
    from codex_transform.opencode.config import OpenCodeConfig
    from codex_transform.request import Context
    from codex_transform.request import transform as rewrite

    instructions = InstructionStore(bench.folder / "cache", "http://127.0.0.1:9/none")
    context = Context(OPENCODE, True, OpenCodeConfig().options_for, instructions.text)
    results = []
    for size, name, goal, turns in ((FIRST, "28 KB", 0.12, 1000), (HOUR, "325 KB", 0.6, 300), (DAY, "3.4 MB", 6, 50)):
        for code in (False, True) if size > FIRST else (False,):
            result = Result("transform", f"transform alone, {name}{' of code' * code}", "ms", Goal(goal, by="alone"))
            body = bench_bodies.request(size, code)
            for turn in range(turns // haste + 5):
                begun = time.perf_counter()
                dumps(rewrite(parse_request(body), context).body)
                if turn >= 5:
                    result.add(ADDON, 1000 * (time.perf_counter() - begun))
            results.append(result)
    return results


def _to_first(connections: Sequence[Connection]) -> float:
    return 1000 * (connections[0].first - connections[0].sent)


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
