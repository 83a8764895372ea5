"""Runs other programs, which end when this program ends, in whatever way that happens."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

# The variables that programs need; none of them leads to the user's own files or keys.
_INHERITED = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "NO_COLOR", "SYSTEMROOT", "COMSPEC", "PATHEXT", "WINDIR")

# Seconds until a program must be ready, and from SIGTERM to SIGKILL.
_START_TIMEOUT, _STOP_TIMEOUT = 60, 5

_POLL_INTERVAL = 0.002  # seconds; `bench.py` measures how long a start takes

_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class NotStartedError(Exception):
    """A program did not start; the message has its output."""


def isolated_environ(home: Path, **variables: str) -> dict[str, str]:
    """Return environment variables for a program that uses `home` as its home and for its temporary files."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
    folders = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | homes | folders | variables


@contextmanager
def running(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path, output: IO[bytes] | int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a running program; when the block is left, end it and all programs that it started."""
    with subprocess.Popen(
        command,
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else subprocess.STDOUT,
        start_new_session=os.name != "nt",
    ) as process:
        try:
            yield process
        finally:
            _stop(process)


@contextmanager
def started(
    command: Sequence[str], environ: Mapping[str, str], cwd: Path, log: Path, ready: re.Pattern[str]
) -> Iterator[tuple[re.Match[str], subprocess.Popen[bytes]]]:
    """Yield a running program once its output, which goes to the file `log`, matches `ready`: the match, the process.

    Raises NotStartedError if the program ends before that or takes too long.
    """
    deadline = time.monotonic() + _START_TIMEOUT
    with log.open("wb") as output, running(command, environ, cwd, output) as process:
        while not (match := ready.search(log.read_text("utf-8", "replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotStartedError(f"{' '.join(command)} did not start:\n{log.read_text('utf-8', 'replace')}")
            time.sleep(_POLL_INTERVAL)
        yield match, process


def run_and_print(command: Sequence[str], environ: Mapping[str, str], cwd: Path, timeout: float) -> int | None:
    """Run a program and print its output as it arrives, without colours unless this is a terminal.

    Returns its exit status; None if it was ended because it took longer than `timeout` seconds.
    """
    terminal = sys.stdout.isatty()
    with running(command, environ, cwd, None if terminal else subprocess.PIPE) as process:
        printer = threading.Thread(target=_print_without_escapes, args=(process.stdout,), daemon=True)
        printer.start()
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        printer.join(_STOP_TIMEOUT)
    return status


def exit_on_signals() -> None:
    """Make Ctrl-C, `kill` and a closed terminal raise SystemExit; further ones are ignored, so clean-up completes."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def handle(received: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise SystemExit(128 + received)

    for number in numbers:
        signal.signal(number, handle)


def _print_without_escapes(output: IO[bytes] | None) -> None:
    for line in output or ():
        print(_ESCAPE_SEQUENCE.sub("", line.decode("utf-8", "replace")), end="", flush=True)


def _stop(process: subprocess.Popen[bytes]) -> None:
    try:
        if process.poll() is None:
            _signal(process, "SIGTERM")
            process.wait(_STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            _signal(process, "SIGKILL")


def _signal(process: subprocess.Popen[bytes], name: str) -> None:
    """Signal a process and all that it started; the process must not have been waited for, or its ID may be reused."""
    if os.name == "nt":
        process.terminate()
    else:
        os.killpg(process.pid, getattr(signal, name))
