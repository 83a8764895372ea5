"""Where files lie: the user's, mitmproxy's, and the addon."""

import os
import sys
from pathlib import Path

_HOME = "USERPROFILE" if sys.platform == "win32" else "HOME"

NO_HOME = Path("/nonexistent")
"""What Debian calls the home of users who have none."""


class MissingFolderError(Exception):
    """There is no home folder, or no current one; the message says what to do."""


def home() -> Path:
    """Return the user's home folder. Raises MissingFolderError where the system knows none."""
    try:
        found = Path("~").expanduser()
    except RuntimeError:
        found = Path()
    # An empty HOME would stand for the root of the file system, another one for wherever this runs.
    if not found.is_absolute() or os.environ.get(_HOME) == "":
        raise MissingFolderError(f"There is no home folder. Fix: set {_HOME} to the path of one, and run this again.")
    return found


def home_or_none() -> Path:
    """Return the user's home folder; where there is none, `NO_HOME`, which does not exist."""
    try:
        return Path("~").expanduser()
    except RuntimeError:
        return NO_HOME


def cwd() -> Path:
    """Return the folder that this runs in. Raises MissingFolderError where it is gone."""
    try:
        return Path.cwd()
    except OSError:
        raise MissingFolderError("This folder is gone. Fix: change to one that exists.") from None


def data_folder(home: Path) -> Path:
    """Return the folder of all files of ours."""
    return home / ".opencode"


def config_file(home: Path) -> Path:
    """Return the file that holds the settings."""
    return data_folder(home) / "openai-codex-auth-config.json"


def clients_file(home: Path) -> Path:
    """Return the file that holds who may use the proxy with a key of their own."""
    return data_folder(home) / "codex-clients.json"


def cache_folder(home: Path) -> Path:
    """Return the folder of the cached instructions."""
    return data_folder(home) / "cache"


def log_folder(home: Path) -> Path:
    """Return the folder of logs."""
    return data_folder(home) / "logs"


def request_log_folder(home: Path) -> Path:
    """Return the folder of request logs."""
    return log_folder(home) / "codex-plugin"


def usage_database(home: Path) -> Path:
    """Return the file that counts what calls have cost."""
    return data_folder(home) / "codex-usage.sqlite"


def state_database(home: Path) -> Path:
    """Return the file of stored responses."""
    return data_folder(home) / "codex-state.sqlite"


def proxies_folder(home: Path) -> Path:
    """Return the folder in which each running proxy has a file."""
    return data_folder(home) / "codex-proxies"


def mitmproxy_folder(home: Path) -> Path:
    """Return the folder of mitmproxy's own files."""
    return home / ".mitmproxy"


def ca_certificate(home: Path) -> Path:
    """Return the certificate of mitmproxy's authority, which clients have to trust."""
    return mitmproxy_folder(home) / "mitmproxy-ca-cert.pem"


def addon() -> Path:
    """Return addon.py: part of the package when that is installed, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "addon.py"
    return installed if installed.exists() else package.parent / "addon.py"
