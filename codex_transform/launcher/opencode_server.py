"""Recognizes OpenCode 2 by the version that it prints, and runs its commands for its background server."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from codex_transform import paths
from codex_transform.launcher import windows_program
from codex_transform.opencode import server
from codex_transform.opencode.server import Server

# Only programs with these names are run with --version: who knows what others do with it.
_NAMES = re.compile(r"opencode|lildax", re.IGNORECASE)
# The preview prints `lildax vlocal`; others print a number, with or without a name before it.
_PREVIEW = re.compile(r"lildax\b")
_NUMBER = re.compile(r"(?:^|[\sv])(\d+)\.\d+")

# Arguments of commands that need no server, or run one in the foreground.
_WITHOUT_SERVER = frozenset(
    ("--help", "-h", "--version", "-v", "--completions", "serve", "service", "migrate", "uninstall", "upgrade")
)
_STANDALONE = "--standalone"

_VERSION_TIMEOUT = 15.0
_SERVICE_TIMEOUT = 60.0


class ServiceError(Exception):
    """A command for the server failed; the message says why."""


class Service:
    """The background server of OpenCode 2, controlled by the commands of `program`."""

    def __init__(self, program: str, environ: Mapping[str, str]) -> None:
        self.program = program
        self._environ = environ

    def running(self) -> Server | None:
        """Return the running server that this program would use; None if there is none."""
        found = server.running(self._environ, paths.home())
        if not found:
            return None
        try:
            status = self._run("status", self._environ)
        except ServiceError:  # the best guess
            return found[0]
        return next((each for each in found if each.url.rstrip("/") in status), None)

    def restart(self, environ: Mapping[str, str]) -> None:
        """Restart the server with this environment. Raises ServiceError."""
        self._run("restart", environ)

    def stop(self) -> None:
        """Stop the server. Raises ServiceError."""
        self._run("stop", self._environ)

    def _run(self, command: str, environ: Mapping[str, str]) -> str:
        return _output(self.program, ("service", command), environ, _SERVICE_TIMEOUT)


def service_of(command: Sequence[str], environ: Mapping[str, str]) -> Service | None:
    """Return the background server that a command uses; None unless the command is an OpenCode 2 that uses one."""
    program = shutil.which(command[0], path=environ.get("PATH"))
    arguments = command[1:]
    if program is None or _STANDALONE in arguments or (arguments and arguments[0] in _WITHOUT_SERVER):
        return None
    return Service(program, environ) if is_opencode_2(program, environ) else None


def is_opencode_2(program: str, environ: Mapping[str, str]) -> bool:
    """Return whether a program is OpenCode 2, judging by its name and the version that it prints."""
    path = Path(program)
    if not any(_NAMES.search(name) for name in (path.name, path.resolve().name)):
        return False
    try:
        return is_version_2(_output(program, ("--version",), environ, _VERSION_TIMEOUT))
    except ServiceError:
        return False


def is_version_2(version: str) -> bool:
    """Return whether OpenCode 2, or its preview, prints `version` for --version."""
    number = _NUMBER.search(version)
    return bool(_PREVIEW.match(version)) or (number is not None and int(number[1]) >= 2)


def _output(program: str, arguments: Sequence[str], environ: Mapping[str, str], timeout: float) -> str:
    """Return the standard output of a program. Raises ServiceError if it fails or takes over `timeout` seconds."""
    try:
        done = subprocess.run(
            windows_program.command_line(program, arguments, environ),
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ServiceError(str(error)) from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise ServiceError(lines[-1] if lines else f"exit status {done.returncode}")
    return done.stdout
