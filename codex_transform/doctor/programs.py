"""Python, mitmproxy, and the `mitmdump` that a terminal finds."""

import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from codex_transform import requirements
from codex_transform.doctor.result import DoctorContext, Result, failure, ok, warning
from codex_transform.proxy import patches as mitmproxy_patches

_INSTALL = "Install this package again (`pipx install`, `uv tool install` or `pip install`): it brings mitmproxy along."


def python(_patient: DoctorContext) -> Iterator[Result]:
    """Python's version: an older one than this package needs would not have got here."""
    yield ok("Python", f"{platform.python_version()} ({sys.executable})")


def mitmproxy(_patient: DoctorContext) -> Iterator[Result]:
    """mitmproxy's version."""
    versions = requirements.installed()
    if problem := requirements.unmet(versions):
        found, _, fix = problem.partition(" Fix: ")
        yield failure("mitmproxy", found, fix)
    elif message := requirements.untested(versions) or "":
        yield warning("mitmproxy", message, _INSTALL)
    else:
        yield ok("mitmproxy", versions["mitmproxy"] or "")


def patches(_patient: DoctorContext) -> Iterator[Result]:
    """Yield what the addon replaces in mitmproxy, and whether the names that it needs there are there."""
    missing = mitmproxy_patches.check()
    for each in missing:
        problem = f"{each}"
        fix = f"Install a release of mitmproxy from {mitmproxy_patches.TRIED[0]} to {mitmproxy_patches.TRIED[1]}."
        yield (failure if each.patch.required else warning)("patches", problem, fix)
    if not missing:
        names = ", ".join(patch.name for patch in mitmproxy_patches.PATCHES)
        yield ok("patches", f"all fit ({names})")


def mitmdump(context: DoctorContext) -> Iterator[Result]:
    """Yield the program: `run` and `start` need none, but `mitmdump -s` runs the one that the terminal finds."""
    own = shutil.which("mitmdump", path=sysconfig.get_path("scripts"))
    typed = shutil.which("mitmdump", path=context.environ.get("PATH", ""))
    if typed is None:
        where = f": {own}" if own else ""
        yield ok("mitmdump", f"not on the PATH, which only `mitmdump -s` needs{where}")
    elif own and Path(typed).resolve() == Path(own).resolve():
        yield ok("mitmdump", typed)
    else:
        message = f"{typed}, which the terminal finds, is not the one of this Python"
        yield warning("mitmdump", message, f"Use `codex-transform start`{f', or {own}' if own else ''}.")
