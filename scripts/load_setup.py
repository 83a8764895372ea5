"""What `load.py` and `soak.py` put their load on: mitmdump with the addon, and the sandbox behind it.

Both are processes of their own. `held` tells what the proxy holds while it runs; for that an addon of this project's
scripts is loaded beside the real one.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import environment
import load_client
import processes
from load_counts import URL

_KEY = "sk-dummy-of-the-load-test"
_PATIENCE = 60.0  # seconds until a program must be ready
_LISTENING = re.compile(r"proxy listening at 127\.0\.0\.1:(\d+)")
_SANDBOX = re.compile(r"sandbox: (\S+) key ")


class Held(NamedTuple):
    """What a proxy holds: memory in megabytes, asyncio tasks, threads, and open files, 0 where nobody counts them.

    `cpu` are the seconds of a processor that it has used.
    """

    cpu: float
    memory: float
    tasks: int
    threads: int
    files: int


class NotReadyError(Exception):
    """A program did not start; the message is what it said."""


@contextmanager
def proxy(folder: Path, *, delay: float = 0.0, options: tuple[str, ...] = ()) -> Iterator[int]:
    """A proxy that leads to a sandbox which waits `delay` seconds after each delta; gives the proxy's port.

    `options` are more of mitmproxy's `--set`. Raises NotReadyError when one of the two does not start.
    """
    sandbox = [sys.executable, "-m", "codex_transform.sandbox", "--key", _KEY, "--delay", str(delay)]
    with _ready(sandbox, folder / "endpoint", _SANDBOX) as endpoint:
        own = Path(__file__).with_name("load_counts.py")
        command = [environment.program("mitmdump"), "-s", str(environment.ROOT / "addon.py"), "-s", str(own)]
        command += ["--listen-host", "127.0.0.1", "--listen-port", "0"]
        for option in ("flow_detail=0", *options):
            command += ["--set", option]
        with _ready(command, folder / "proxy", _LISTENING, CODEX_BASE_URL=endpoint, CODEX_API_KEY=_KEY) as port:
            yield int(port)


async def held(port: int) -> Held:
    """What the proxy at `port` holds now."""
    return Held(**json.loads(await load_client.get(port, URL)))


@contextmanager
def _ready(command: list[str], home: Path, sign: re.Pattern[str], **variables: str) -> Iterator[str]:
    """A program that has said `sign`; gives the part of it in parentheses."""
    home.mkdir(parents=True, exist_ok=True)
    # Nobody answers there: nothing leaves this machine.
    environ = processes.isolated_environ(
        home, CODEX_CATALOG_URL="http://127.0.0.1:9/none", PYTHONUNBUFFERED="1", **variables
    )
    environ["PYTHONPATH"] = str(environment.ROOT)
    log = home / "log"
    with log.open("wb") as output, processes.running(command, environ, home, output) as process:
        deadline = time.monotonic() + _PATIENCE
        while not (found := sign.search(log.read_text("utf-8", "replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotReadyError(f"{command[0]} did not start:\n{log.read_text('utf-8', 'replace')}")
            time.sleep(0.01)
        yield found[1]
