"""OpenCode 2 as a program: known by what it says of its version, with the commands for its background server."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from codex_transform import paths
from codex_transform.launcher import windows_program
from codex_transform.opencode import server
from codex_transform.opencode.server import Server

# Only a program of these names is asked for its version: another one might do anything.
_NAMES = re.compile(r"opencode|lildax", re.IGNORECASE)
# The preview says `lildax vlocal`, others their number, with or without a name in front.
_PREVIEW = re.compile(r"lildax\b")
_NUMBER = re.compile(r"(?:^|[\sv])(\d+)\.\d+")

# What needs no server, or is one in the foreground.
_WITHOUT_SERVER = frozenset(
    ("--help", "-h", "--version", "-v", "--completions", "serve", "service", "migrate", "uninstall", "upgrade")
)
_STANDALONE = "--standalone"

_VERSION_TIMEOUT = 15.0
_SERVICE_TIMEOUT = 60.0


class ServiceError(Exception):
    """A command for the server failed; the message says how."""


class Service:
    """The server of one OpenCode 2, run by `program`."""

    def __init__(self, program: str, environ: Mapping[str, str]) -> None:
        self.program = program
        self._environ = environ

    def running(self) -> Server | None:
        """Return the server that this program would use; None if there is none."""
        found = server.running(self._environ, paths.home())
        if not found:
            return None
        try:
            said = self._run("status", self._environ)
        except ServiceError:  # in doubt, it is this one
            return found[0]
        return next((each for each in found if each.url.rstrip("/") in said), None)

    def restart(self, environ: Mapping[str, str]) -> None:
        """Restart the server with this environment. Raises ServiceError."""
        self._run("restart", environ)

    def stop(self) -> None:
        """Stop the server. Raises ServiceError."""
        self._run("stop", self._environ)

    def _run(self, command: str, environ: Mapping[str, str]) -> str:
        return _output(self.program, ("service", command), environ, _SERVICE_TIMEOUT)


def service_of(command: Sequence[str], environ: Mapping[str, str]) -> Service | None:
    """Return the service that a command uses; None unless it is an OpenCode 2 that does."""
    program = shutil.which(command[0], path=environ.get("PATH"))
    arguments = command[1:]
    if program is None or _STANDALONE in arguments or (arguments and arguments[0] in _WITHOUT_SERVER):
        return None
    return Service(program, environ) if is_opencode_2(program, environ) else None


def is_opencode_2(program: str, environ: Mapping[str, str]) -> bool:
    """Return whether a program is OpenCode 2, by what it says."""
    path = Path(program)
    if not any(_NAMES.search(name) for name in (path.name, path.resolve().name)):
        return False
    try:
        return is_version_2(_output(program, ("--version",), environ, _VERSION_TIMEOUT))
    except ServiceError:
        return False


def is_version_2(said: str) -> bool:
    """Return whether that is what OpenCode 2, or its preview, says of its version."""
    number = _NUMBER.search(said)
    return bool(_PREVIEW.match(said)) or (number is not None and int(number[1]) >= 2)


def _output(program: str, arguments: Sequence[str], environ: Mapping[str, str], timeout: float) -> str:
    """Return what a program says. Raises ServiceError, if it fails."""
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
