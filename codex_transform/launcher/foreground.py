"""Run a command in the place of this program: its terminal, its signals, its exit status.

The command stays in this program's process group, so the terminal is its own: window sizes, Ctrl-Z and job control
work by themselves. The kernel sends Ctrl-C to both; this program leaves it to the command. Signals that are sent to
this program alone are forwarded.
"""

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

_LONGEST_NAP = 0.5  # seconds


class NotFoundError(click.ClickException):
    """There is no such command; the exit status is the one that shells give."""

    exit_code = 127


class NotRunnableError(click.ClickException):
    """It is there and cannot be started; the exit status is the one that shells give."""

    exit_code = 126


def run(command: Sequence[str], environ: Mapping[str, str]) -> int:
    """Return the exit status of a command; 128 and the signal's number for one that a signal ended, as shells have it.

    Raises NotFoundError or NotRunnableError when it cannot be started.
    """
    program = _find(command[0], environ)
    with _forward_signals() as begin:
        try:
            process = subprocess.Popen(windows_program.command_line(program, command[1:], environ), env=environ)
        except ValueError as error:
            raise NotRunnableError(str(error)) from None
        except OSError as error:
            raise NotRunnableError(f"{command[0]} cannot be started: {error.strerror or error}") from None
        begin(process)
        _wait_interruptible(process)
    status = process.wait()
    return 128 - status if status < 0 else status


def _wait_interruptible(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a process, and for signals.

    One that comes just before this program would be put to sleep by the system is seen when it wakes up, so it must not
    sleep until the end.
    """
    waiting = threading.Thread(target=process.wait, daemon=True)
    waiting.start()
    while waiting.is_alive():
        waiting.join(_LONGEST_NAP)


def _find(name: str, environ: Mapping[str, str]) -> str:
    if found := shutil.which(name, path=environ.get("PATH")):
        return found
    if os.path.dirname(name) and os.path.exists(name):  # noqa: PTH110, PTH120 - a Path would drop a leading ./
        raise NotRunnableError(f"{name} is not a program that you may run")
    raise NotFoundError(f"{name} is not found: is it installed, and on the PATH?")


@contextmanager
def _forward_signals() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """While this lasts, signals go to the process that is handed in, and none ends this program.

    Those that come before there is a process are passed on once there is one.
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
        # What is ignored here is ignored by the command too: a shell's background job, or nohup.
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            before[number] = signal.signal(number, pass_on)
    try:
        yield begin
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _owns_terminal() -> bool:
    """Return whether the terminal's keys reach the command without help."""
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
