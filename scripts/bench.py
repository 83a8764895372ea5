"""Measures what the addon costs: `python3 scripts/bench.py`. Takes two or three minutes, with `--quick` less than one.

Each row compares mitmdump with the addon to a bare one, which only redirects and streams: same options, same machine,
measured in turn. Client, proxies and endpoint are processes of their own, and nothing leaves this machine. A goal is
a limit for the figure under "addon : bare"; in brackets the interval that holds it 19 times out of 20.
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

ROWS = ("events", "websocket", "first", "whole", "history", "transform", "memory", "streams", "start")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--quick", action="store_true", help="fewer samples: shows what is far off, settles nothing")
    parser.add_argument("--tls", action="store_true", help="through CONNECT and TLS, as OpenCode comes")
    parser.add_argument("--json", action="store_true", help="all samples as JSON in place of the table")
    options = parser.parse_args()
    environment.enter()
    import bench_proxy
    import bench_rows
    import bench_table
    import processes

    from codex_transform import console

    console.make_lenient()
    processes.tidy_up_when_told_to_end()
    results = []
    # On systems that do not let a running program's files go, some of it may stay.
    with tempfile.TemporaryDirectory(prefix="codex-transform-bench-", ignore_cleanup_errors=True) as folder:
        place = Path(folder).resolve()
        with bench_proxy.endpoint(place) as endpoint, bench_rows.Bench(place, endpoint, options.tls) as bench:
            for row in options.rows:
                print(f"{row} …", file=sys.stderr, flush=True)
                results += bench_rows.MEASURES[row](bench, 5 if options.quick else 1)
    if options.json:
        print(json.dumps({"machine": machine(), "results": [result.as_dict() for result in results]}))
    else:
        print(", ".join(f"{name} {value}" for name, value in machine().items()), end="\n\n")
        print(bench_table.render(results))


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
