"""A mitmdump without its start: a process that has imported mitmproxy forks, and the copy runs `mitmdump`.

Importing mitmproxy takes three quarters of the processor time of a start, and is the same each time. Arguments,
environment, working directory, output and signals are those of a program of its own; the addon is imported by the copy.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TextIO

CAN_FORK = sys.platform == "linux"

_OWN = {str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "scripts")}


class Forked:
    """A mitmdump that runs, as `subprocess.Popen` has it."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str], cwd: Path) -> None:
        forks = multiprocessing.get_context("forkserver")
        forks.set_forkserver_preload(["mitmproxy.tools.main"])
        reader, writer = forks.Pipe(duplex=False)
        with reader, writer:
            self._process = forks.Process(
                target=_run_mitmdump, args=(list(arguments), dict(environ), str(cwd), writer), daemon=True
            )
            self._process.start()
            self.stdout: TextIO = os.fdopen(os.dup(reader.fileno()), encoding="utf-8", errors="replace")
        assert self._process.pid
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("mitmdump", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> "Forked":
        return self

    def __exit__(self, *_: object) -> None:
        self.stdout.close()
        self.wait()


def _run_mitmdump(arguments: list[str], environ: dict[str, str], cwd: str, output: Connection) -> None:
    from mitmproxy.tools.main import mitmdump

    for number in (1, 2):
        os.dup2(output.fileno(), number)
    output.close()
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="surrogateescape", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv[:] = ["mitmdump", *arguments]
    sys.path[:] = [each for each in sys.path if each not in _OWN]
    sys.exit(mitmdump())
