"""What a check has to say, and what it is told about the machine it looks at."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from codex_transform import paths
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings.loader import LoadedSettings

Mark = Literal["ok", "warning", "fault"]
"""`error`: it does not work. `warning`: it works for now, or for some."""


class Result(NamedTuple):
    """One line: what was found, and for all but `ok` what to do about it. Never holds a key."""

    mark: Mark
    name: str
    message: str
    fix: str = ""


@dataclass(frozen=True)
class DoctorContext:
    """What the checks look at.

    `environ`, `cwd` and `home` are the user's; `loaded` are the settings in force, `opencode` is OpenCode's
    configuration with its `opencode_warnings`. `offline` keeps checks from using the network, `model` is the one to
    ask the endpoint for, `port` where the proxy is meant to listen.
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
        """The file that holds who has a key of their own."""
        return paths.clients_file(self.home)

    @property
    def authority(self) -> Path:
        """mitmproxy's certificate, which clients have to trust."""
        return paths.ca_certificate(self.home)

    @property
    def https_proxy(self) -> str:
        """HTTPS_PROXY as OpenCode reads it: lower case goes first. "" if there is none."""
        return self.environ.get("https_proxy") or self.environ.get("HTTPS_PROXY") or ""


Check = Callable[[DoctorContext], Iterator[Result]]


def ok(name: str, message: str) -> Result:
    """All is well."""
    return Result("ok", name, message)


def warning(name: str, message: str, fix: str) -> Result:
    """Something that may matter."""
    return Result("warning", name, message, fix)


def failure(name: str, message: str, fix: str) -> Result:
    """Something that has to be repaired."""
    return Result("fault", name, message, fix)
