"""Python, mitmproxy, and the `mitmdump` on the PATH."""

import platform
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from codex_transform import requirements
from codex_transform.doctor.result import DoctorContext, Result, failure, ok, warning
from codex_transform.proxy import patches as mitmproxy_patches
from codex_transform.text import sentence

_INSTALL = "Install this package again (`pipx install`, `uv tool install` or `pip install`): that installs mitmproxy."


def python(_context: DoctorContext) -> Iterator[Result]:
    """Yield Python's version; this package does not run on one that is too old."""
    yield ok("Python", f"{platform.python_version()} ({sys.executable})")


def mitmproxy(_context: DoctorContext) -> Iterator[Result]:
    """Yield mitmproxy's version, and whether it is supported."""
    versions = requirements.installed()
    if problem := requirements.unmet(versions):
        found, _, fix = problem.partition(" Fix: ")
        yield failure("mitmproxy", found, sentence(fix))
    elif message := requirements.untested(versions) or "":
        yield warning("mitmproxy", message, _INSTALL)
    else:
        yield ok("mitmproxy", versions["mitmproxy"] or "")


def patches(_context: DoctorContext) -> Iterator[Result]:
    """Yield the patches that the addon applies to mitmproxy, and whether this release has the names that they need."""
    missing = mitmproxy_patches.check()
    for each in missing:
        problem = f"{each}"
        fix = f"Install a release of mitmproxy from {mitmproxy_patches.TRIED[0]} to {mitmproxy_patches.TRIED[1]}."
        yield (failure if each.patch.required else warning)("patches", problem, fix)
    if not missing:
        names = ", ".join(patch.name for patch in mitmproxy_patches.PATCHES)
        yield ok("patches", f"all fit ({names})")


def mitmdump(context: DoctorContext) -> Iterator[Result]:
    """Yield the `mitmdump` on the PATH. `run` and `start` do not use it, but the user's `mitmdump -s` does."""
    own = shutil.which("mitmdump", path=sysconfig.get_path("scripts"))
    found = shutil.which("mitmdump", path=context.environ.get("PATH", ""))
    if found is None:
        where = f": {own}" if own else ""
        yield ok("mitmdump", f"not on the PATH, which only `mitmdump -s` needs{where}")
    elif own and Path(found).resolve() == Path(own).resolve():
        yield ok("mitmdump", found)
    else:
        message = f"{found}, which is first on the PATH, does not belong to this Python"
        yield warning("mitmdump", message, f"Use `codex-transform start`{f', or {own}' if own else ''}.")
