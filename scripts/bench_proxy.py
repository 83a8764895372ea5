"""The proxies that the benchmark compares: mitmdump with the addon, and a bare one that only redirects and streams."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import environment
import processes
from bench_client import BenchError, Target
from bench_table import BARE

_LISTENING = re.compile(r"proxy listening at 127\.0\.0\.1:(\d+)")

# The least that any addon for this purpose must do.
_REDIRECT = """
def request(flow):
    flow.request.host, flow.request.port, flow.request.scheme = "127.0.0.1", {port}, "http"
    flow.request.path = "/backend-api/codex/responses"

def responseheaders(flow):
    flow.response.stream = True
"""

# For both: the options that the addon sets itself, and one that users set.
_OPTIONS = ("connection_strategy=lazy", "upstream_cert=false", "flow_detail=1")


@contextmanager
def proxy(name: str, folder: Path, endpoint_port: int, home_name: str = "") -> Iterator[tuple[Target, float]]:
    """Yield a running mitmdump that forwards to the endpoint, and how many seconds its start took.

    It is bare if `name` is `BARE`, else it has the addon. Its home in `folder`, with the name of the proxy or
    `home_name`, is reused by later starts, so only the first one creates certificates. Raises NotStartedError.
    """
    home = folder / (home_name or name)
    environ = addon_environ(home, endpoint_port)
    script = environment.ROOT / "addon.py"
    if name == BARE:
        script = home / "redirect.py"
        script.write_text(_REDIRECT.format(port=endpoint_port), "utf-8")
    command = [environment.program("mitmdump"), "-s", str(script), "--listen-host", "127.0.0.1", "--listen-port", "0"]
    for option in _OPTIONS:
        command += ["--set", option]
    started_at = time.monotonic()
    with processes.started(command, environ, home, home / f"{name}.log", _LISTENING) as (match, process):
        seconds = time.monotonic() - started_at
        yield Target(name, int(match[1]), "http://api.openai.com/v1/responses", process.pid), seconds


def addon_environ(home: Path, endpoint_port: int) -> dict[str, str]:
    """Return environment variables for a proxy with the addon that forwards to the endpoint."""
    return processes.isolated_environ(
        home,
        CODEX_BASE_URL=f"http://127.0.0.1:{endpoint_port}",
        CODEX_API_KEY="sk-dummy-of-the-benchmark",
        # Nothing listens there, so the bundled instructions are used and nothing leaves this machine.
        CODEX_CATALOG_URL="http://127.0.0.1:9/none",
        PYTHONUNBUFFERED="1",
    )


@contextmanager
def endpoint(folder: Path) -> Iterator[Target]:
    """Yield the running endpoint as a target."""
    script = Path(__file__).with_name("bench_endpoint.py")
    with subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Target("no proxy", int(process.stdout.readline()), "/v1/responses", process.pid)
        finally:
            process.stdin.close()


def resident_megabytes(pid: int) -> float:
    """Return the resident memory of a process in megabytes. Raises BenchError without `ps`."""
    try:
        done = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError("the command `ps`, which measures memory, does not work here; leave out this row") from error
    return int(done.stdout) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the processor time that the main thread of a process has used, in seconds; 0.0 where that is unknown."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_bytes().split()[0]) / 1e9
    except OSError:
        return 0.0
