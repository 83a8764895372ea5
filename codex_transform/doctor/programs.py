"""Python, mitmproxy, and the `mitmdump` that a terminal finds."""

import platform
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from codex_transform.doctor.finding import Finding, Patient, fault, ok, warning

_LEAST, _BELOW = (11, 0, 2), (13,)
_INSTALL = "Install this package again (`pipx install`, `uv tool install` or `pip install`): it brings mitmproxy along."


def python(_: Patient) -> Iterator[Finding]:
    """Python's version: an older one than this package needs would not have got here."""
    yield ok("Python", f"{platform.python_version()} ({sys.executable})")


def mitmproxy(_: Patient) -> Iterator[Finding]:
    """mitmproxy's version."""
    try:
        found = version("mitmproxy")
    except PackageNotFoundError:
        yield fault("mitmproxy", "is not installed", _INSTALL)
        return
    parts = tuple(int(part) for part in re.findall(r"\d+", found)[:3])
    if parts < _LEAST:
        yield fault("mitmproxy", f"{found} is too old: 11.0.2 is the first that will do", _INSTALL)
    elif parts >= _BELOW:
        yield warning("mitmproxy", f"{found} is newer than any that this was tried with", _INSTALL)
    else:
        yield ok("mitmproxy", found)


def mitmdump(patient: Patient) -> Iterator[Finding]:
    """The program: `run` and `start` need none, but `mitmdump -s` runs the one that the terminal finds."""
    own = shutil.which("mitmdump", path=sysconfig.get_path("scripts"))
    typed = shutil.which("mitmdump", path=patient.environ.get("PATH", ""))
    if typed is None:
        where = f": {own}" if own else ""
        yield ok("mitmdump", f"not on the PATH, which only `mitmdump -s` needs{where}")
    elif own and Path(typed).resolve() == Path(own).resolve():
        yield ok("mitmdump", typed)
    else:
        says = f"{typed}, which the terminal finds, is not the one of this Python"
        yield warning("mitmdump", says, f"Use `codex-transform start`{f', or {own}' if own else ''}.")
