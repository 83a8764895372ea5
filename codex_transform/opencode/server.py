"""The background server of OpenCode 2: where its state file is, and what environment it runs in.

It makes the requests of all terminals, and keeps the environment of the moment in which it was started. It says where
it is in a file of the state folder: `service.json` (`service-NAME.json` for the channels of the release), `server.json`
for the preview 1.18.18. Such a file can outlive its server, and holds its password, which nobody else needs.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

_NAMES = ("service.json", "service-*.json", "server.json")
_TIMEOUT = 1.0


class Server(NamedTuple):
    """A server that runs.

    `environ` is what it was started with, as far as the system lets one read it; else what OpenCode's settings say
    that it is to have (`service set env`). `is_whole` tells which.
    """

    pid: int
    url: str
    environ: Mapping[str, str]
    is_whole: bool

    @property
    def https_proxy(self) -> str:
        """The proxy that its requests go to, "" if there is none."""
        return self.environ.get("https_proxy") or self.environ.get("HTTPS_PROXY") or ""


def running(environ: Mapping[str, str], home: Path) -> list[Server]:
    """Return the servers that state files tell of and that answer. This raises nothing."""
    folder = Path(environ.get("XDG_STATE_HOME") or home / ".local" / "state", "opencode")
    try:
        files = [file for name in _NAMES for file in sorted(folder.glob(name))]
    except OSError:  # a folder that cannot be looked into
        return []
    return [server for file in files for server in _read(file, environ, home)]


def _read(file: Path, environ: Mapping[str, str], home: Path) -> Iterator[Server]:
    state = _object(file)
    pid, url = state.get("pid"), state.get("url")
    if not (isinstance(pid, int) and pid > 0 and isinstance(url, str) and _answers(url)):
        return
    own = _environ(pid)
    settings = Path(environ.get("XDG_CONFIG_HOME") or home / ".config", "opencode", file.name)
    yield Server(pid, url, _configured(settings) if own is None else own, own is not None)


def _object(file: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _answers(url: str) -> bool:
    """Return whether somebody listens there: a number of a process may have been given to another one since."""
    with suppress(OSError, ValueError):
        parts = urlsplit(url)
        socket.create_connection((str(parts.hostname), parts.port or 80), _TIMEOUT).close()
        return True
    return False


def _environ(pid: int) -> Mapping[str, str] | None:
    """Return the environment that a process was started with; None where that cannot be read."""
    try:
        data = Path("/proc", str(pid), "environ").read_bytes()
    except OSError:
        return None
    pairs = (os.fsdecode(each).partition("=") for each in data.split(b"\0") if each)
    return {name: value for name, _, value in pairs if name}


def _configured(settings: Path) -> Mapping[str, str]:
    found = _object(settings).get("env")
    pairs = found.items() if isinstance(found, dict) else ()
    return {name: value for name, value in pairs if isinstance(value, str)}
