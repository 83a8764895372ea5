"""The packages that the proxy runs with: whether their releases are those that it and mitmproxy declare.

Whatever else is installed into the same environment may replace them: pip installs it all the same, and only warns.
"""

import re
from collections.abc import Iterator
from importlib import metadata

from codex_transform import requirements
from codex_transform.doctor.result import DoctorContext, Result, ok, warning
from codex_transform.text import format_count, sentence

_NAME = "packages"
_ROOTS = ("codex-transform", "mitmproxy")  # in a checkout the first has no metadata
_APART = "install what wants another release, such as OpenAI's SDK, into an environment of its own"


def releases(_context: DoctorContext) -> Iterator[Result]:
    """Yield each requirement that is not met, of this project, mitmproxy, and all that they need in turn."""
    try:
        # Imported only now, because a mitmproxy that was installed separately may lack it.
        from packaging.requirements import InvalidRequirement, Requirement
        from packaging.version import InvalidVersion
    except ImportError:
        yield ok(_NAME, "not compared, which needs the package packaging")
        return
    versions = {name: version for name in _ROOTS if (version := _version(name))}
    pending, met = [*versions], True
    while pending:
        parent = pending.pop()
        for written in metadata.requires(parent) or ():
            try:
                requirement = Requirement(written)
            except InvalidRequirement:
                continue  # of an old package; pip refuses those
            name = re.sub(r"[-_.]+", "-", requirement.name).lower()
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            version = versions.get(name) or _version(name)
            try:
                fits = version is not None and requirement.specifier.contains(version, prereleases=True)
            except InvalidVersion:  # before packaging 26
                fits = False
            if not fits:
                met = False
                actual = f"{version} is installed" if version else "it is not installed"
                message = f"{parent} {versions[parent]} needs {name}{requirement.specifier}, and {actual}"
                fix = requirements.install_fix(f"{name}{requirement.specifier}")
                yield warning(_NAME, message, sentence(f"{fix}, and {_APART}"))
            if version and name not in versions:
                versions[name] = version
                pending.append(name)
    if met:
        yield ok(_NAME, f"{format_count(len(versions), 'package')}, in releases that fit together")


def _version(name: str) -> str | None:
    """Return the installed version of a package; None if it is missing, or has no metadata."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
