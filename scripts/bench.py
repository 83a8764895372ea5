"""Measures what the addon costs: `python3 scripts/bench.py`. Takes two or three minutes, with `--quick` less than one.

Each row compares mitmdump with the addon to a bare mitmdump, which only redirects and streams. Both have the same
options and are measured alternately. Client, proxies and endpoint are separate processes, and nothing leaves this
machine. A goal is a limit for the figure under "addon : bare"; its 95 % confidence interval is in brackets.

`--peers` compares these two with the other gateways that are installed, and `--workers` compares one proxy with the
addon to two of them. Each takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import environment

ROWS = ("events", "websocket", "first", "whole", "history", "transform", "memory", "streams", "start", "run")
PEER_ROWS = ("small", "histories", "events", "streams", "memory")

# What the numbers of samples are divided by: without --quick, with it, and with it given twice.
_DIVISORS = (1, 5, 20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", metavar="ROW", help=f"rows to measure: {', '.join(ROWS)}")
    parser.add_argument(
        "--peers", action="store_true", help=f"compare with other gateways; rows: {', '.join(PEER_ROWS)}"
    )
    parser.add_argument("--workers", action="store_true", help="compare one proxy with two")
    parser.add_argument(
        "--quick",
        action="count",
        default=0,
        help="take fewer samples, which only shows large differences; if given twice, as few as possible",
    )
    parser.add_argument("--tls", action="store_true", help="connect through CONNECT and TLS, as OpenCode does")
    parser.add_argument("--json", action="store_true", help="print all samples as JSON instead of the table")
    options = parser.parse_args()
    known_rows = PEER_ROWS if options.peers else ROWS
    rows = options.rows or known_rows
    if unknown := set(rows) - set(known_rows):
        parser.error(f"unknown row: {', '.join(sorted(unknown))}; the rows are {', '.join(known_rows)}")
    environment.enter()
    import bench_peer_rows
    import bench_proxy
    import bench_rows
    import bench_table
    import processes

    from codex_transform import console

    console.make_lenient()
    processes.exit_on_signals()
    results = []
    # On Windows the files of a program that has not quite ended cannot be deleted.
    with tempfile.TemporaryDirectory(prefix="codex-transform-bench-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary).resolve()
        with bench_proxy.endpoint(folder) as endpoint:
            if options.workers:
                results = bench_peer_rows.workers(folder, endpoint, 2 if options.quick else 8)
            elif options.peers:
                with bench_peer_rows.Peers(folder, endpoint, 1 if options.quick else 3) as peers:
                    for row in rows:
                        print(f"{row} …", file=sys.stderr, flush=True)
                        results += bench_peer_rows.MEASURES[row](peers)
            else:
                with bench_rows.Bench(folder, endpoint, options.tls) as bench:
                    for row in rows:
                        print(f"{row} …", file=sys.stderr, flush=True)
                        results += bench_rows.MEASURES[row](bench, _DIVISORS[min(options.quick, 2)])
    has_goals = not (options.peers or options.workers)
    if options.json:
        rows_as_json = [result.as_comparison_dict() if has_goals else result.as_dict() for result in results]
        print(json.dumps({"machine": machine(), "results": rows_as_json}))
    else:
        print(", ".join(f"{name} {value}" for name, value in machine().items()), end="\n\n")
        print(bench_table.render(results) if has_goals else bench_table.side_by_side(results))


def machine() -> dict[str, str]:
    """Return the versions and the properties of this machine that the figures depend on."""
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return {
        "Python": platform.python_version(),
        "mitmproxy": metadata.version("mitmproxy"),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "load": load,
    }


if __name__ == "__main__":
    main()
