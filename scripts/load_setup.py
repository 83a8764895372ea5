"""What `load.py`, `soak.py` and `simulate_team.py` test: mitmdump with the addon, in front of the sandbox.

Both are separate processes. The proxy has a second addon, `load_counts.py`, which answers `resource_counts`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import environment
import load_client
import processes
from load_counts import URL

_KEY = "sk-dummy-of-the-load-test"
_LISTENING = re.compile(r"proxy listening at 127\.0\.0\.1:(\d+)")
_SANDBOX = re.compile(r"sandbox: (\S+) key ")


class ResourceCounts(NamedTuple):
    """The resources of a proxy: processor time in seconds since its start, resident memory in megabytes, and numbers.

    The numbers are of asyncio tasks, threads and open files. `memory` and `files` are 0 where the system has no count.
    """

    cpu: float
    memory: float
    tasks: int
    threads: int
    files: int


@contextmanager
def proxy(folder: Path, *, delay: float = 0.0, options: tuple[str, ...] = ()) -> Iterator[int]:
    """Yield the port of a proxy in front of a sandbox that waits `delay` seconds after each delta.

    `options` are further arguments of mitmproxy's `--set`. Raises NotStartedError.
    """
    sandbox = [sys.executable, "-m", "codex_transform.sandbox", "--key", _KEY, "--delay", str(delay)]
    with _started(sandbox, folder / "endpoint", _SANDBOX) as url:
        counts = Path(__file__).with_name("load_counts.py")
        command = [environment.program("mitmdump"), "-s", str(environment.ROOT / "addon.py"), "-s", str(counts)]
        command += ["--listen-host", "127.0.0.1", "--listen-port", "0"]
        for option in ("flow_detail=0", *options):
            command += ["--set", option]
        with _started(command, folder / "proxy", _LISTENING, CODEX_BASE_URL=url, CODEX_API_KEY=_KEY) as port:
            yield int(port)


async def resource_counts(port: int) -> ResourceCounts:
    """Return what the proxy at `port` uses now."""
    return ResourceCounts(**json.loads(await load_client.get(port, URL)))


@contextmanager
def _started(command: list[str], home: Path, ready: re.Pattern[str], **variables: str) -> Iterator[str]:
    """Start a program; once its output matches `ready`, yield the first group of the match. Raises NotStartedError."""
    # Nothing listens at this URL, so the bundled instructions are used and nothing leaves this machine.
    variables |= {"CODEX_CATALOG_URL": "http://127.0.0.1:9/none", "PYTHONUNBUFFERED": "1"}
    environ = processes.isolated_environ(home, PYTHONPATH=str(environment.ROOT), **variables)
    with processes.started(command, environ, home, home / "log", ready) as (match, _):
        yield match[1]
