"""What every command needs first: where the user's files lie, and the settings in force.

Whatever is wrong there becomes a sentence (click's ClickException): a command line shows no tracebacks.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

import codex_transform
from codex_transform.opencode import config as opencode_config
from codex_transform.settings import loader
from codex_transform.settings.loader import Loaded

_HOME = "USERPROFILE" if sys.platform == "win32" else "HOME"


def home() -> Path:
    """The user's home folder. Raises ClickException where the system knows none."""
    try:
        found = Path("~").expanduser()
    except RuntimeError:
        found = Path()
    # An empty HOME would stand for the top of the file system, another one for wherever this runs.
    if not found.is_absolute() or os.environ.get(_HOME) == "":
        raise click.ClickException(f"There is no home folder: set {_HOME} to the path of one, and run this again.")
    return found


def folder() -> Path:
    """The folder that this runs in. Raises ClickException where it is gone."""
    try:
        return Path.cwd()
    except OSError:
        raise click.ClickException("This folder is gone: `cd` to one that is there.") from None


def config_file() -> Path:
    """The file that holds the settings. Raises ClickException."""
    return home() / ".opencode" / "openai-codex-auth-config.json"


def logs() -> Path:
    """The folder for logs. Raises ClickException."""
    return home() / ".opencode" / "logs"


def is_missing(path: Path) -> bool:
    """True where there is nothing at `path`; False too where the way to it is closed, which `Path.exists` raises."""
    try:
        return not path.exists()
    except OSError:
        return False


def addon() -> Path:
    """addon.py: part of the package when that is installed, beside it in a checkout."""
    package = Path(codex_transform.__file__).resolve().parent
    installed = package / "addon.py"
    return installed if installed.exists() else package.parent / "addon.py"


def load(options: Mapping[str, object] | None = None) -> Loaded:
    """The settings in force here and now; `options` are mitmproxy's that the user gave. Raises ClickException."""
    client, _ = opencode_config.load(os.environ, folder(), home())
    return loader.load(options or {}, os.environ, config_file(), client)
