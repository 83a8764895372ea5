"""The proxies that are compared: mitmdump with the addon, and mitmdump that only redirects and streams."""

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

_PATIENCE = 60.0  # seconds until a proxy must be ready
_LISTENING = re.compile(r"proxy listening at 127\.0\.0\.1:(\d+)")

# What any addon for the purpose has to do, and no more.
_REDIRECT = """
def request(flow):
    flow.request.host, flow.request.port, flow.request.scheme = "127.0.0.1", {port}, "http"
    flow.request.path = "/backend-api/codex/responses"

def responseheaders(flow):
    flow.response.stream = True
"""

# The same for both: those that the addon sets by itself, and those that are the user's.
_OPTIONS = ("connection_strategy=lazy", "upstream_cert=false", "flow_detail=1")


@contextmanager
def proxy(name: str, folder: Path, port: int, home_name: str = "") -> Iterator[tuple[Target, float]]:
    """A running mitmdump, bare or with the addon, that leads to the endpoint at `port`; and its time to be ready.

    Its home below `folder`, which is called as the proxy or else `home_name`, is kept from one start to the next, so
    that only the first one makes certificates.
    """
    home = folder / (home_name or name)
    environ = addon_environ(home, port)
    script = environment.ROOT / "addon.py"
    if name == BARE:
        script = home / "redirect.py"
        script.write_text(_REDIRECT.format(port=port), "utf-8")
    command = [environment.program("mitmdump"), "-s", str(script), "--listen-host", "127.0.0.1", "--listen-port", "0"]
    for option in _OPTIONS:
        command += ["--set", option]
    log = home / f"{name}.log"
    begun = time.monotonic()
    with until(_LISTENING, command, environ, home, log) as (found, process):
        seconds = time.monotonic() - begun
        yield Target(name, int(found[1]), "http://api.openai.com/v1/responses", process.pid), seconds


def addon_environ(home: Path, port: int) -> dict[str, str]:
    """The environment of a program with the addon that leads to the endpoint at `port`."""
    return processes.isolated_environ(
        home,
        CODEX_BASE_URL=f"http://127.0.0.1:{port}",
        CODEX_API_KEY="sk-dummy-of-the-benchmark",
        # Nobody answers there: nothing leaves this machine.
        CODEX_CATALOG_URL="http://127.0.0.1:9/none",
        PYTHONUNBUFFERED="1",
    )


@contextmanager
def until(
    sign: re.Pattern[str], command: list[str], environ: dict[str, str], home: Path, log: Path
) -> Iterator[tuple[re.Match[str], subprocess.Popen[bytes]]]:
    """A program that has written `sign` to its output, which goes to `log`. Raises BenchError if it does not."""
    deadline = time.monotonic() + _PATIENCE
    with log.open("wb") as output, processes.running(command, environ, home, output) as process:
        while not (found := sign.search(log.read_text("utf-8", "replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{command[0]} did not start:\n{log.read_text('utf-8', 'replace')}")
            time.sleep(0.002)
        yield found, process


@contextmanager
def endpoint(folder: Path) -> Iterator[Target]:
    """The endpoint, as a target."""
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


def resident(pid: int) -> float:
    """The memory that a process holds, in megabytes. Raises BenchError where the system does not tell."""
    try:
        kilobytes = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError("there is no `ps` here to ask for memory; leave the row out") from error
    return int(kilobytes.stdout) / 1024


def busy(pid: int) -> float:
    """The processor time that the main thread of a process has had, in seconds; 0.0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_bytes().split()[0]) / 1e9
    except OSError:
        return 0.0
