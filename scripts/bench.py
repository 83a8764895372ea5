"""Measures what the addon costs: `python3 scripts/bench.py`. Takes two or three minutes, with `--quick` less than one.

Each row compares mitmdump with the addon to a bare one, which only redirects and streams: same options, same machine,
measured in turn. Client, proxies and endpoint are processes of their own, and nothing leaves this machine. A goal is
a limit for the figure under "addon : bare"; in brackets the interval that holds it 19 times out of 20.

With `--peers` other gateways stand beside these two, as far as they are installed, and with `--workers` one proxy with
the addon beside two. Each takes some minutes.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--peers", action="store_true", help=f"beside other gateways; rows: {', '.join(PEER_ROWS)}")
    parser.add_argument("--workers", action="store_true", help="one proxy with the addon beside two")
    parser.add_argument("--quick", action="store_true", help="fewer samples: shows what is far off, settles nothing")
    parser.add_argument("--tls", action="store_true", help="through CONNECT and TLS, as OpenCode comes")
    parser.add_argument("--json", action="store_true", help="all samples as JSON in place of the table")
    options = parser.parse_args()
    possible = PEER_ROWS if options.peers else ROWS
    rows = options.rows or possible
    if unknown := set(rows) - set(possible):
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(possible)}")
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
    # On systems that do not let a running program's files go, some of it may stay.
    with tempfile.TemporaryDirectory(prefix="codex-transform-bench-", ignore_cleanup_errors=True) as folder:
        place = Path(folder).resolve()
        with bench_proxy.endpoint(place) as endpoint:
            if options.workers:
                results = bench_peer_rows.workers(place, endpoint, 2 if options.quick else 8)
            elif options.peers:
                with bench_peer_rows.Peers(place, endpoint, 1 if options.quick else 3) as peers:
                    for row in rows:
                        print(f"{row} …", file=sys.stderr, flush=True)
                        results += bench_peer_rows.MEASURES[row](peers)
            else:
                with bench_rows.Bench(place, endpoint, options.tls) as bench:
                    for row in rows:
                        print(f"{row} …", file=sys.stderr, flush=True)
                        results += bench_rows.MEASURES[row](bench, 5 if options.quick else 1)
    compares_two = not (options.peers or options.workers)
    if options.json:
        shown = [result.as_dict() if compares_two else result.measured() for result in results]
        print(json.dumps({"machine": machine(), "results": shown}))
    else:
        print(", ".join(f"{name} {value}" for name, value in machine().items()), end="\n\n")
        print(bench_table.render(results) if compares_two else bench_table.side_by_side(results))


def machine() -> dict[str, str]:
    """Where this ran."""
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
