"""The rows of `bench.py --peers` and `--workers`: several proxies side by side, without goals.

Strategy: as in the other rows, one proxy is measured after another, with the same client and the same endpoint, and the
first round is a warm-up. A gateway may be too slow for the load: in the row `streams`, events that have not arrived in
time count as lost.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import bench_bodies
import bench_peers
from bench_bodies import DAY, FIRST, HALF_DAY
from bench_client import BenchError, Connection, Target, collect, elapsed, exchange
from bench_proxy import cpu_seconds, proxy, resident_megabytes
from bench_rows import EVENTS_BESIDE_DELTAS, SMALL_EVENTS, alternate
from bench_table import ADDON, BARE, Result

# Concurrent streams, deltas in each, and seconds until they must have arrived.
_STREAMS, _DELTAS, _STREAMS_TIMEOUT = 100, 150, 20.0

# Concurrent connections to the workers.
_CONNECTIONS = 20


class Peers:
    """The proxies that are compared: `targets` has the running ones by name."""

    def __init__(self, folder: Path, endpoint: Target, rounds: int) -> None:
        self.rounds = rounds
        self.targets: dict[str, Target] = {}
        self._folder = folder
        self._endpoint = endpoint
        self._running = ExitStack()

    def __enter__(self) -> Peers:
        try:
            for name in (ADDON, BARE):
                self.targets[name] = self._running.enter_context(proxy(name, self._folder, self._endpoint.port))[0]
            for peer in bench_peers.PEERS:
                if peer.path.exists():
                    running = bench_peers.running(peer, self._folder, self._endpoint.port)
                    self.targets[peer.name] = self._running.enter_context(running)
                else:
                    print(f"{peer.name} is not installed. To compare it: {peer.install_command}", file=sys.stderr)
        except BaseException:
            self._running.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def measure(
        self,
        result: Result,
        figure: Callable[[Connection], float],
        response: str,
        size: int = FIRST,
        times: int = 1,
        vary: Callable[[bytes, int], bytes] = bench_bodies.other_conversation,
    ) -> Result:
        """Request the endpoint's `response` through each proxy; add a sample of each exchange to `result`, return it.

        A round has `times` exchanges on one connection. `vary` changes the body of `size` bytes for each of them, by
        its number, so that no proxy gets a request twice. `figure` returns the sample.
        """
        body = bench_bodies.request(size)
        numbers = dict.fromkeys(self.targets, 0)
        for name, is_warm_up in alternate(list(self.targets), self.rounds):
            connection = Connection(self.targets[name])
            try:
                for _ in range(times):
                    numbers[name] += 1
                    connection.send(vary(body, numbers[name]), response)
                    exchange([connection])
                    if not is_warm_up:
                        result.add(name, figure(connection))
            finally:
                connection.close()
        return result

    def measure_streams(
        self, response: str, streams: int, receive: Callable[[Sequence[Connection]], None]
    ) -> list[tuple[str, list[Connection]]]:
        """Request `response` in concurrent streams, one proxy after another; return the name and connections of each.

        Each stream is a conversation of its own. `receive` reads the responses.
        """
        exchanges = []
        for number, (name, is_warm_up) in enumerate(alternate(list(self.targets), self.rounds)):
            connections = [Connection(self.targets[name]) for _ in range(streams)]
            _send_conversations(connections, number, response)
            receive(connections)
            for connection in connections:
                connection.close()
            if not is_warm_up:
                exchanges.append((name, connections))
        return exchanges


def small(peers: Peers) -> list[Result]:
    """Time to the end of a small response."""
    result = Result("small", "28 KB request, 9 events", "ms")
    return [peers.measure(result, lambda connection: connection.total_ms, "small 0", times=20)]


def histories(peers: Peers) -> list[Result]:
    """Time to the first event with the history of half a day and of a long day; each request is the next turn."""
    return [
        peers.measure(
            Result("histories", f"first event, {name}", "ms"),
            lambda connection: connection.first_event_ms,
            "first 0",
            size,
            times=4,
            vary=bench_bodies.later_turn,
        )
        for size, name in ((HALF_DAY, "1 MB, 260 calls"), (DAY, "3.4 MB, 900 calls"))
    ]


def events(peers: Peers) -> list[Result]:
    """Events per second of four streams that are read as fast as possible."""
    expected = 2000 + EVENTS_BESIDE_DELTAS
    result = Result("events", "events, 4 streams at full speed", "per s")
    for name, connections in peers.measure_streams("deltas 2000", 4, exchange):
        arrived = [connection.events() for connection in connections]
        if any(count != expected for count in arrived):
            raise BenchError(f"{name}: {arrived} of {expected} events arrived")
        result.add(name, 4 * expected / elapsed(connections))
    return [result]


def streams(peers: Peers) -> list[Result]:
    """Many concurrent streams at a model's pace: the share of events that is lost, and the delay of the others."""
    title = f"{_STREAMS} streams of 50/s"
    lost = Result("streams", f"{title}: events lost", "%")
    p50 = Result("streams", f"{title}: p50 delay of an event", "ms")
    p99 = Result("streams", f"{title}: p99 delay of an event", "ms")
    response = f"paced {_DELTAS}"
    for name, connections in peers.measure_streams(response, _STREAMS, lambda them: collect(them, _STREAMS_TIMEOUT)):
        delays = [1000 * delay for connection in connections for _, delay in connection.delays()]
        lost.add(name, 100 * (1 - len(delays) / (_STREAMS * _DELTAS)))
        if len(delays) > 1:
            percentiles = statistics.quantiles(delays, n=100)
            p50.add(name, percentiles[49])
            p99.add(name, percentiles[98])
    return [lost, p50, p99]


def memory(peers: Peers) -> list[Result]:
    """Memory of each proxy after the other rows."""
    result = Result("memory", "memory afterwards", "MB")
    for name, target in peers.targets.items():
        result.add(name, resident_megabytes(target.pid))
    return [result]


MEASURES: dict[str, Callable[[Peers], list[Result]]] = {
    "small": small,
    "histories": histories,
    "events": events,
    "streams": streams,
    "memory": memory,
}


def workers(folder: Path, endpoint: Target, rounds: int) -> list[Result]:
    """Throughput of one worker and of two that share a home: per second, and per second of a worker's processor time.

    The client and the endpoint need processors too, so on a machine with few of them only the latter shows how
    throughput would scale.
    """
    results = []
    for title, unit, response, events in (
        (f"calls, {_CONNECTIONS} at a time", "calls", "small 0", SMALL_EVENTS),
        (f"events, {_CONNECTIONS} streams at full speed", "events", "deltas 2000", 2000 + EVENTS_BESIDE_DELTAS),
    ):
        per_second = Result("workers", title, "per s")
        per_cpu_second = Result("workers", f"{title}, per worker", f"{unit} per CPU second")
        units = _CONNECTIONS * (events if unit == "events" else 1)
        for count in (1, 2):
            name = f"{count} worker{'s' * (count > 1)}"
            with ExitStack() as stack:
                targets = [
                    stack.enter_context(proxy(ADDON + str(number), folder, endpoint.port, ADDON))[0]
                    for number in range(count)
                ]
                connections = [
                    stack.enter_context(closing(Connection(targets[number % count]))) for number in range(_CONNECTIONS)
                ]
                for number in range(rounds + 1):
                    cpu_before = sum(cpu_seconds(target.pid) for target in targets)
                    _send_conversations(connections, number, response)
                    exchange(connections)
                    cpu = sum(cpu_seconds(target.pid) for target in targets) - cpu_before
                    if any(connection.events() != events for connection in connections):
                        raise BenchError(f"{name}: events are missing")
                    if number > 0:  # the first round is a warm-up
                        per_second.add(name, units / elapsed(connections))
                        if cpu:
                            per_cpu_second.add(name, units / cpu)
        results += [per_second, per_cpu_second]
    return [result for result in results if result.samples]


def _send_conversations(connections: Sequence[Connection], round_number: int, response: str) -> None:
    """Send a request on each connection, each of them the first of a conversation."""
    body = bench_bodies.request(FIRST)
    for number, connection in enumerate(connections):
        connection.send(bench_bodies.other_conversation(body, round_number * len(connections) + number), response)
