"""Runs other programs so that they end with this one, whichever way it ends."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

# What programs need of the environment; nothing that would lead them to the user's own files or keys.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "NO_COLOR", "SYSTEMROOT", "COMSPEC", "PATHEXT", "WINDIR")
_PATIENCE = 5  # seconds between asking a program to end and making it

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def environ(home: Path, **variables: str) -> dict[str, str]:
    """An environment for a program that takes `home` for its home and leaves its temporary files there."""
    temporary = home / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    homes = dict.fromkeys(("HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA"), str(home))
    folders = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | homes | folders | variables


@contextmanager
def running(
    command: list[str], environ: Mapping[str, str], cwd: Path, output: IO[bytes] | int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that has ended, with all that it started, when the block is left."""
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
            _end(process)


def shown(command: list[str], environ: Mapping[str, str], cwd: Path, longest: float) -> int | None:
    """Runs a program whose output goes to ours as it comes, without colours where ours is no terminal.

    Gives its exit status, None if it had to be ended after `longest` seconds.
    """
    terminal = sys.stdout.isatty()
    with running(command, environ, cwd, None if terminal else subprocess.PIPE) as process:
        printer = threading.Thread(target=_print_plainly, args=(process.stdout,), daemon=True)
        printer.start()
        try:
            status = process.wait(longest)
        except subprocess.TimeoutExpired:
            return None
        printer.join(_PATIENCE)
    return status


def tidy_up_when_told_to_end() -> None:
    """Turns Ctrl-C, `kill` and a closed terminal into SystemExit, once: nothing disturbs the tidying up then."""
    signals = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]

    def end(number: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for each in signals:
        signal.signal(each, end)


def _print_plainly(output: IO[bytes] | None) -> None:
    for line in output or ():
        print(_ESCAPE.sub("", line.decode("utf-8", "replace")), end="", flush=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        if process.poll() is None:
            _signal(process, "SIGTERM")
            process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            _signal(process, "SIGKILL")


def _signal(process: subprocess.Popen[bytes], name: str) -> None:
    """To the program and what it started; as long as it has not been waited for, the number is surely its own."""
    if os.name == "nt":
        process.terminate()
    else:
        os.killpg(process.pid, getattr(signal, name))
