"""The result of a check, and the context that each check is given."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from codex_transform import paths
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings.loader import LoadedSettings

Mark = Literal["ok", "warning", "fault"]
"""`fault`: it does not work. `warning`: it works, but not for ever or not in every case."""


class Result(NamedTuple):
    """One line: what was found and, unless the mark is `ok`, how to fix it. Never holds a key."""

    mark: Mark
    name: str
    message: str
    fix: str = ""


@dataclass(frozen=True)
class DoctorContext:
    """What the checks examine.

    `environ`, `cwd` and `home` are the user's, `loaded` holds the settings in force, and `opencode` OpenCode's
    configuration, with the warnings from reading it in `opencode_warnings`. `offline` forbids the use of the network.
    `model` is the one to request from the endpoint; None for the default. `port` is where the proxy should listen.
    """

    environ: Mapping[str, str]
    cwd: Path
    home: Path
    loaded: LoadedSettings
    opencode: OpenCodeConfig
    opencode_warnings: tuple[str, ...]
    offline: bool = False
    model: str | None = None
    port: int = 8080

    @property
    def config_file(self) -> Path:
        """The file that holds the settings."""
        return paths.config_file(self.home)

    @property
    def clients_file(self) -> Path:
        """The file of the clients that have keys of their own."""
        return paths.clients_file(self.home)

    @property
    def authority(self) -> Path:
        """mitmproxy's CA certificate, which clients must trust."""
        return paths.ca_certificate(self.home)

    @property
    def https_proxy(self) -> str:
        """HTTPS_PROXY as OpenCode reads it: https_proxy takes precedence. "" if neither is set."""
        return self.environ.get("https_proxy") or self.environ.get("HTTPS_PROXY") or ""


Check = Callable[[DoctorContext], Iterator[Result]]


def ok(name: str, message: str) -> Result:
    """Return a result that needs no action."""
    return Result("ok", name, message)


def warning(name: str, message: str, fix: str) -> Result:
    """Return a result for something that may need a fix."""
    return Result("warning", name, message, fix)


def failure(name: str, message: str, fix: str) -> Result:
    """Return a result for something that does not work until it is fixed."""
    return Result("fault", name, message, fix)
