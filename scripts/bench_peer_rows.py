"""The rows of `bench.py --peers` and `--workers`: several proxies side by side, without goals.

Strategy: as in the other rows each proxy has its turn after another, with the same client and the same endpoint; the
first turn does not count. A peer may be too slow for what it is sent: in the row of streams, what has not come after a
while is lost.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import bench_bodies
import bench_peers
from bench_bodies import DAY, FIRST, HALF_DAY
from bench_client import BenchError, Connection, Target, collect, exchange
from bench_proxy import busy, proxy, resident
from bench_rows import AROUND, SMALL
from bench_table import ADDON, BARE, Result

# Streams at once, deltas in each, and seconds for all of them.
_STREAMS, _PACED, _LONGEST = 100, 150, 20.0


class Peers:
    """The proxies that are compared, all of them running, each with what it is called."""

    def __init__(self, folder: Path, endpoint: Target, turns: int) -> None:
        self.turns = turns
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
                    print(f"{peer.name} is not here. To compare it: {peer.install_command}", file=sys.stderr)
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
        answer: str,
        size: int = FIRST,
        times: int = 1,
        vary: Callable[[bytes, int], bytes] = bench_bodies.other_conversation,
    ) -> Result:
        """Adds what `figure` says of each exchange; there are `times` of them a turn, on one connection.

        `vary` makes each request from the first one and its number: no proxy gets the same one twice.
        """
        body = bench_bodies.request(size)
        numbers = dict.fromkeys(self.targets, 0)
        for name, counts in self._in_turn():
            connection = Connection(self.targets[name])
            try:
                for _ in range(times):
                    numbers[name] += 1
                    connection.send(vary(body, numbers[name]), answer)
                    exchange([connection])
                    if counts:
                        result.add(name, figure(connection))
            finally:
                connection.close()
        return result

    def at_once(
        self, answer: str, streams: int, finish: Callable[[Sequence[Connection]], None]
    ) -> list[tuple[str, list[Connection]]]:
        """So many streams at once through each proxy, turn by turn: who it was, and what came.

        Each is a conversation of its own.
        """
        body = bench_bodies.request(FIRST)
        came = []
        for turn, (name, counts) in enumerate(self._in_turn()):
            connections = [Connection(self.targets[name]) for _ in range(streams)]
            for number, connection in enumerate(connections):
                connection.send(bench_bodies.other_conversation(body, turn * streams + number), answer)
            finish(connections)
            for connection in connections:
                connection.close()
            if counts:
                came.append((name, connections))
        return came

    def _in_turn(self) -> list[tuple[str, bool]]:
        names = list(self.targets)
        return [(name, turn > 0) for turn in range(self.turns + 1) for name in (names if turn % 2 else reversed(names))]


def small(peers: Peers) -> list[Result]:
    """A small call, to its end."""
    result = Result("small", "28 KB request, 9 events", "ms")
    return [peers.measure(result, lambda each: 1000 * (each.ended - each.sent), "small 0", times=20)]


def histories(peers: Peers) -> list[Result]:
    """Time to the first event after half a day's work, and after a long day's: each request is the next turn."""
    return [
        peers.measure(
            Result("histories", f"first event, {name}", "ms"),
            _to_first,
            "first 0",
            size,
            times=4,
            vary=bench_bodies.later_turn,
        )
        for size, name in ((HALF_DAY, "1 MB, 260 calls"), (DAY, "3.4 MB, 900 calls"))
    ]


def events(peers: Peers) -> list[Result]:
    """Events a second, four streams as fast as they are taken."""
    count = 2000
    result = Result("events", "events, 4 streams at full speed", "per s")
    for name, connections in peers.at_once(f"deltas {count}", 4, exchange):
        if any(each.events() != count + AROUND for each in connections):
            raise BenchError(f"{name}: {[each.events() for each in connections]} events came of {count + AROUND}")
        seconds = max(each.ended for each in connections) - min(each.sent for each in connections)
        result.add(name, 4 * (count + AROUND) / seconds)
    return [result]


def streams(peers: Peers) -> list[Result]:
    """Many streams at once in their own time: what is lost, and by how much the rest is late."""
    lost = Result("streams", f"{_STREAMS} streams of 50/s: events lost", "%")
    middle = Result("streams", "the same: p50 delay of an event", "ms")
    late = Result("streams", "the same: p99 delay of an event", "ms")
    for name, connections in peers.at_once(f"paced {_PACED}", _STREAMS, lambda each: collect(each, _LONGEST)):
        delays = [1000 * delay for each in connections for _, delay in each.delays()]
        lost.add(name, 100 * (1 - len(delays) / (_STREAMS * _PACED)))
        if len(delays) > 1:
            percentiles = statistics.quantiles(delays, n=100)
            middle.add(name, percentiles[49])
            late.add(name, percentiles[98])
    return [lost, middle, late]


def memory(peers: Peers) -> list[Result]:
    """What each holds after all that."""
    result = Result("memory", "memory afterwards", "MB")
    for name, target in peers.targets.items():
        result.add(name, resident(target.pid))
    return [result]


def _to_first(connection: Connection) -> float:
    return 1000 * (connection.first - connection.sent)


MEASURES: dict[str, Callable[[Peers], list[Result]]] = {
    "small": small,
    "histories": histories,
    "events": events,
    "streams": streams,
    "memory": memory,
}


def workers(folder: Path, endpoint: Target, turns: int) -> list[Result]:
    """What one worker and two with the same home do, by the second, and by the second of a worker's processor time.

    Client and endpoint need processors too, so on a machine with few of them only the second says how it would grow.
    """
    rows = []
    for title, unit, answer, each in (
        ("calls, 20 at a time", "calls", "small 0", 1),
        ("events, 20 streams at full speed", "events", "deltas 2000", 2000 + AROUND),
    ):
        by_second = Result("workers", title, "per s")
        by_busy_second = Result("workers", f"{title}, per worker", f"{unit} per s of its processor")
        for count in (1, 2):
            name = f"{count} worker{'s' * (count > 1)}"
            with ExitStack() as stack:
                targets = [
                    stack.enter_context(proxy(ADDON + str(number), folder, endpoint.port, ADDON))[0]
                    for number in range(count)
                ]
                connections = [Connection(targets[number % count]) for number in range(20)]
                body = bench_bodies.request(FIRST)
                for turn in range(turns + 1):
                    before = sum(busy(target.pid) for target in targets)
                    for number, connection in enumerate(connections):
                        connection.send(bench_bodies.other_conversation(body, turn * 20 + number), answer)
                    exchange(connections)
                    cpu = sum(busy(target.pid) for target in targets) - before
                    if any(connection.events() != (each if each > 1 else SMALL) for connection in connections):
                        raise BenchError(f"{name}: not all events came")
                    if turn:
                        seconds = max(c.ended for c in connections) - min(c.sent for c in connections)
                        by_second.add(name, 20 * each / seconds)
                        if cpu:
                            by_busy_second.add(name, 20 * each / cpu)
                for connection in connections:
                    connection.close()
        rows += [by_second, by_busy_second]
    return [row for row in rows if row.samples]
