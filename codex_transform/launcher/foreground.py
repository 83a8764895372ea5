"""Runs a command as if it had been started directly: with the terminal, the signals, and its own exit status.

The command stays in this program's process group, so the terminal belongs to it too: window sizes, Ctrl-Z and job
control work without help. The kernel sends Ctrl-C to both; this program ignores it. Signals that are sent to this
program alone are forwarded.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from codex_transform.launcher import windows_program

_TERMINAL_SIGNALS = ("SIGINT", "SIGQUIT")
_FORWARDED = ("SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2")

_MAX_WAIT = 0.5  # seconds


class NotFoundError(click.ClickException):
    """There is no such command; the exit status is the one that shells use."""

    exit_code = 127


class NotRunnableError(click.ClickException):
    """The command exists but cannot be started; the exit status is the one that shells use."""

    exit_code = 126


def run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run a command and return its exit status; if a signal ended it, 128 plus the signal's number, as in shells.

    Raises NotFoundError or NotRunnableError if it cannot be started.
    """
    program = _find(command[0], environ)
    with _forward_signals() as begin:
        try:
            process = subprocess.Popen(windows_program.command_line(program, command[1:], environ), env=environ)
        except ValueError as error:
            raise NotRunnableError(str(error)) from None
        except OSError as error:
            # A shell would run a script without such a line itself.
            fix = ". Fix: begin it with a line such as #!/bin/sh" if error.errno == errno.ENOEXEC else ""
            raise NotRunnableError(f"{command[0]} cannot be started: {error.strerror or error}{fix}") from None
        begin(process)
        _wait_interruptible(process)
    status = process.wait()
    return 128 - status if status < 0 else status


def _wait_interruptible(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process to end, and let Python handle signals meanwhile.

    Python handles a signal that arrives just before a blocking call only after that call, so no wait may be long.
    """
    waiting = threading.Thread(target=process.wait, daemon=True)
    waiting.start()
    while waiting.is_alive():
        waiting.join(_MAX_WAIT)


def _find(name: str, environ: Mapping[str, str]) -> str:
    if found := shutil.which(name, path=environ.get("PATH")):
        return found
    if os.path.dirname(name) and os.path.exists(name):  # noqa: PTH110, PTH120 - a Path would drop a leading ./
        if os.path.isdir(name):  # noqa: PTH112
            raise NotRunnableError(f"{name} is a folder. Fix: name a program in it")
        raise NotRunnableError(f"{name} is not an executable program. Fix: run `chmod +x` on it, if it is one")
    raise NotFoundError(f"{name} is not found: is it installed, and on the PATH?")


@contextmanager
def _forward_signals() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Yield a function that takes the command's process; until the block is left, signals are forwarded to it.

    None of them ends this program. Those that arrive before the function is called are forwarded by the call.
    """
    processes: list[subprocess.Popen[bytes]] = []
    early: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if not processes:
            early.append(number)
        elif not (signal.Signals(number).name in _TERMINAL_SIGNALS and _owns_terminal()):
            processes[0].send_signal(number)

    def begin(process: subprocess.Popen[bytes]) -> None:
        processes.append(process)
        for number in early:
            process.send_signal(number)

    before: dict[int, Any] = {}
    for name in (*_TERMINAL_SIGNALS, *_FORWARDED):
        number = getattr(signal, name, None)
        # The command inherits ignored signals, as in a shell's background job or under nohup.
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, pass_on)
    try:
        yield begin
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _owns_terminal() -> bool:
    """Return whether the terminal itself sends Ctrl-C and Ctrl-\\ to the command."""
    if sys.platform == "win32":
        return True
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
