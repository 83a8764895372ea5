"""An addon for `load.py` and `soak.py`, not for use: tells at a URL what the proxy holds."""

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
    """Answers requests for `URL` by itself."""

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        if flow.request.url == URL:
            flow.response = http.Response.make(200, json.dumps(_counts()), {"content-type": "application/json"})


def _counts() -> dict[str, float]:
    resident = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=False
    ).stdout
    files = Path("/proc/self/fd")
    return {
        "cpu": time.process_time(),
        "memory": int(resident or 0) / 1024,
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "files": len(list(files.iterdir())) if files.exists() else 0,
    }


addons = [Counts()]
