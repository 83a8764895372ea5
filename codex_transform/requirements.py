"""What has to be installed for the addon to load, told before anything that needs it is imported.

For `mitmdump -s addon.py` with a mitmproxy that somebody installed by themselves. Standard library only, in syntax
that older Pythons read too. The bounds are those of pyproject.toml.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from importlib import metadata

PYTHON = (3, 11)

# Package: the lowest release that will do, and the first that is too new.
BOUNDS = {"mitmproxy": ("11.0.2", "13"), "pydantic": ("2.9", "3")}

# The newest minor release of mitmproxy that the tests have run with.
TRIED_MITMPROXY = "12.3"


def installed() -> dict[str, str | None]:
    """Return the versions of the packages that this Python has, None for one that is missing.

    A standalone mitmproxy holds packages without saying their versions; what it holds is left out.
    """
    versions: dict[str, str | None] = {}
    for name in BOUNDS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if importlib.util.find_spec(name) is None:
                versions[name] = None
    return versions


def unmet(versions: Mapping[str, str | None], python: tuple[int, ...] = sys.version_info[:3]) -> str | None:
    """Return one line on what keeps the addon from loading and the command that puts it right, None if nothing does."""
    if python[:2] < PYTHON:
        found, wanted = ".".join(map(str, python)), ".".join(map(str, PYTHON))
        return f"codex-transform needs Python {wanted} or newer, and mitmproxy runs on {found} here. Fix: {_REINSTALL}"
    for name, version in versions.items():
        lowest, too_new = BOUNDS[name]
        if version is None or not _numbers(lowest) <= _numbers(version) < _numbers(too_new):
            found = f"this Python has {version}" if version else "this Python has none"
            wanted = f"{name}>={lowest},<{too_new}"
            return f"codex-transform needs {name} {lowest} or newer, below {too_new}; {found}. Fix: {_command(wanted)}"
    return None


def untried(versions: Mapping[str, str | None]) -> str | None:
    """Return one line on a mitmproxy that is newer than those tried, None if it is not."""
    version = versions.get("mitmproxy")
    if version is None or _numbers(version)[:2] <= _numbers(TRIED_MITMPROXY):
        return None
    return (
        f"codex-transform was tried with mitmproxy up to {TRIED_MITMPROXY}, this is {version}: it may do all the same"
    )


_REINSTALL = "install mitmproxy and pydantic with a newer Python, such as `pipx install --python python3.13 mitmproxy`"


def _command(requirement: str) -> str:
    """Return the command that installs a package for the very Python that this runs in."""
    if getattr(sys, "frozen", False):
        return f"this mitmproxy is a standalone program, so install another: pipx install mitmproxy && {_INJECT}"
    installer = "" if importlib.util.find_spec("pip") else "uv pip install --python "
    program = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    command = f"{installer}{program}" if installer else f"{program} -m pip install"
    return f'{command} "{requirement}"'


_INJECT = 'pipx inject mitmproxy "pydantic>=2.9,<3"'


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release of a version (PEP 440) as numbers that compare as releases do."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, release[0].split("."))) if release else ()
