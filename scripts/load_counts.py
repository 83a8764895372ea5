"""An addon that is only for `load.py`, `soak.py` and `simulate_team.py`: it reports the proxy's use of resources."""

import asyncio
import json
import os
import subprocess
import threading
import time
from pathlib import Path

from mitmproxy import http

URL = "http://counts.invalid/"


class Counts:
    """Responds to requests for `URL` with the counts as JSON."""

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.request.url == URL:
            flow.response = http.Response.make(200, json.dumps(_counts()), {"content-type": "application/json"})


def _counts() -> dict[str, float]:
    """Return the members of `load_setup.ResourceCounts`."""
    kilobytes = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=False
    ).stdout
    files = Path("/proc/self/fd")
    return {
        "cpu": time.process_time(),
        "memory": int(kilobytes or 0) / 1024,
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "files": len(list(files.iterdir())) if files.exists() else 0,
    }


addons = [Counts()]
