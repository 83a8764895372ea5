"""Check what has to be installed for the addon to load, before anything that needs it is imported.

This is for `mitmdump -s addon.py` with a mitmproxy that was installed separately. Only the standard library is used, in
syntax that older Pythons understand. The bounds are those of pyproject.toml.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping
from importlib import metadata

PYTHON = (3, 11)

# Package: the lowest release that works, and the first that is too new.
BOUNDS = {"mitmproxy": ("11.0.2", "13"), "pydantic": ("2.9", "3")}

# The newest minor release of mitmproxy that the tests were run with.
TESTED_MITMPROXY = "12.3"


def installed() -> dict[str, str | None]:
    """Return the versions of the packages that this Python has, None for one that is missing.

    A standalone mitmproxy contains packages without their metadata; those are left out.
    """
    versions: dict[str, str | None] = {}
    for name in BOUNDS:
        try:
            versions[name] = _version(name)
        except metadata.PackageNotFoundError:
            if importlib.util.find_spec(name) is None:
                versions[name] = None
    return versions


def _version(name: str) -> str:
    """Return the version of a package. Raises PackageNotFoundError.

    `metadata.version` does the same, but parses all of the file, which has the package's README in it.
    """
    text = metadata.distribution(name).read_text("METADATA") or ""
    found = re.search(r"^Version: *(\S+)", text, re.MULTILINE)
    return found[1] if found else metadata.version(name)


def unmet(versions: Mapping[str, str | None], python: tuple[int, ...] = sys.version_info[:3]) -> str | None:
    """Return one line with what keeps the addon from loading and the command that fixes it; None if nothing does."""
    if python[:2] < PYTHON:
        actual, required = ".".join(map(str, python)), ".".join(map(str, PYTHON))
        return f"codex-transform needs Python {required} or newer, but mitmproxy runs on {actual}. Fix: {_REINSTALL}"
    for name, version in versions.items():
        lowest, too_new = BOUNDS[name]
        if version is None or not _numbers(lowest) <= _numbers(version) < _numbers(too_new):
            actual = f"this Python has {version}" if version else "this Python has none"
            fix = install_fix(f"{name}>={lowest},<{too_new}")
            return f"codex-transform needs {name} {lowest} or newer, below {too_new}; {actual}. Fix: {fix}"
    return None


def untested(versions: Mapping[str, str | None]) -> str | None:
    """Return one line about a mitmproxy that is newer than the tested ones, None if it is not."""
    version = versions.get("mitmproxy")
    if version is None or _numbers(version)[:2] <= _numbers(TESTED_MITMPROXY):
        return None
    return f"codex-transform was tested with mitmproxy up to {TESTED_MITMPROXY}; this is {version}, which may work too"


_REINSTALL = "install mitmproxy and pydantic with a newer Python, such as `pipx install --python python3.13 mitmproxy`"


def install_fix(requirement: str) -> str:
    """Return what to do so that the Python that this runs in has a package: "run `…`"."""
    if getattr(sys, "frozen", False):
        return f"install another mitmproxy, because this one is a program of its own: `{_PIPX}`"
    program = f'"{sys.executable}"' if " " in sys.executable else sys.executable
    has_pip = importlib.util.find_spec("pip") is not None
    command = f"{program} -m pip install" if has_pip else f"uv pip install --python {program}"
    return f'run `{command} "{requirement}"`'


_PIPX = 'pipx install mitmproxy && pipx inject mitmproxy "pydantic>=2.9,<3"'


def _numbers(version: str) -> tuple[int, ...]:
    """Return the release of a version (PEP 440) as numbers that compare as releases do."""
    release = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, release[0].split("."))) if release else ()
