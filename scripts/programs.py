"""Finds the real OpenCode, and a Node, or gets a version of them through npm into `.cache/`."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import environment

CACHE = Path(__file__).resolve().parent.parent / ".cache"

# The versions that the end-to-end tests drive: today's, and one whose tools and headers differ.
OPENCODE = "1.18.33"
OLD_OPENCODE = "1.1.65"

# The preview of OpenCode 2, a program named `lildax`: the release is not to be had from npm's usual registry.
OPENCODE_2 = "1.18.18"

# For machines whose own Node cannot be sent through a proxy.
NODE = "24.21.0"

_LONGEST_INSTALL = 600  # seconds


def opencode_on_path() -> tuple[Path, str] | None:
    """The user's own OpenCode and its version, if there is one that runs."""
    found = shutil.which("opencode")
    version = version_of(Path(found)) if found else None
    return (Path(found), version) if found and version else None


def opencode(version: str) -> Path | None:
    """The program of exactly this version, if it is in the cache."""
    names = ("opencode.exe", "opencode")
    for path in (_folder(version, package) / "bin" / name for package in _packages() for name in names):
        if path.is_file() and version_of(path):
            return path
    return None


def install_opencode(version: str) -> Path | None:
    """Gets this version through npm unless it is there, showing progress.

    None without npm, without network, or on a rare machine. Only the package with the program for this machine is
    taken: the general one brings several, of 150 MB each.
    """
    npm = shutil.which("npm")
    for package in _packages():
        if (found := opencode(version)) or npm is None:
            return found
        print(f"Getting {package} {version} through npm (once) ", end="", flush=True)
        # What an interrupted npm left behind would count as installed.
        shutil.rmtree(_folder(version, package), ignore_errors=True)
        failure = _install(npm, _prefix(version), f"{package}@{version}")
        print(f"\n  {failure}\n" if failure else "\n", flush=True)
        if failure:
            return None
    return opencode(version)


def install_command(version: str) -> str:
    """What a person types to get this version where `opencode()` finds it."""
    return f"npm install --prefix {_prefix(version).relative_to(CACHE.parent)} {_packages()[0]}@{version}"


def opencode_2() -> Path | None:
    """The preview of OpenCode 2, if it is in the cache."""
    for name in ("lildax.exe", "lildax"):
        path = _preview_prefix() / "node_modules" / _preview_package() / "bin" / name
        if path.is_file() and version_of(path):
            return path
    return None


def install_opencode_2() -> Path | None:
    """Gets the preview through npm, unless it is there; None where that cannot be done."""
    return _get(opencode_2, f"{_preview_package()} {OPENCODE_2}", _preview_prefix(), _preview_package(), OPENCODE_2)


def opencode_2_install_command() -> str:
    """What a person types to get the preview where `opencode_2()` finds it."""
    return f"npm install --prefix {_preview_prefix().relative_to(CACHE.parent)} {_preview_package()}@{OPENCODE_2}"


def node() -> Path | None:
    """A Node that can be sent through a proxy: the machine's own, or the one in the cache."""
    own = shutil.which("node")
    cached = _node_prefix() / "node_modules" / _node_package() / "bin" / ("node.exe" if os.name == "nt" else "node")
    for path in (*([Path(own)] if own else []), cached):
        if path.is_file() and (match := re.match(r"v(\d+)\.(\d+)", version_of(path) or "")):
            numbers = int(match[1]), int(match[2])
            if (22, 21) <= numbers < (23, 0) or numbers >= (24, 0):
                return path
    return None


def install_node() -> Path | None:
    """Gets such a Node through npm, unless there is one; None where that cannot be done."""
    return _get(node, f"Node {NODE}", _node_prefix(), _node_package(), NODE)


def node_install_command() -> str:
    """What a person types to get a Node where `node()` finds it."""
    return f"npm install --prefix {_node_prefix().relative_to(CACHE.parent)} {_node_package()}@{NODE}"


def _get(find: Callable[[], Path | None], name: str, prefix: Path, package: str, version: str) -> Path | None:
    """Gets a program through npm, unless `find` finds it; None where that cannot be done."""
    npm = shutil.which("npm")
    if (found := find()) or npm is None:
        return found
    print(f"Getting {name} through npm (once) ", end="", flush=True)
    shutil.rmtree(prefix, ignore_errors=True)
    failure = _install(npm, prefix, f"{package}@{version}")
    print(f"\n  {failure}\n" if failure else "\n", flush=True)
    return find()


@cache
def version_of(path: Path) -> str | None:
    """What an OpenCode or a Node says its version is.

    None when it does not run, as on a processor that lacks an instruction.
    """
    # It writes to its home even to say that, and leaves a library among the temporary files.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        homes = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), folder)
        try:
            done = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=60, env=os.environ | homes, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _install(npm: str, prefix: Path, package: str) -> str:
    """Runs npm, with a dot for every two seconds; the last line of its complaint, or "" if all went well."""
    prefix.mkdir(parents=True, exist_ok=True)
    # npm installs where it finds this. Its --prefix would do the same, but hide the machine's own npmrc from it.
    (prefix / "package.json").write_text('{"private": true}')
    command = [npm, "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"]
    command += ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000", package]
    with (
        tempfile.TemporaryFile("w+", errors="replace") as says,
        subprocess.Popen(command, cwd=prefix, stdout=says, stderr=says, stdin=subprocess.DEVNULL) as run,
    ):
        for _ in range(_LONGEST_INSTALL // 2):
            try:
                run.wait(2)
                break
            except subprocess.TimeoutExpired:
                print(".", end="", flush=True)
        else:
            run.kill()
            return f"npm was not ready after {_LONGEST_INSTALL} seconds"
        says.seek(0)
        errors = [line.strip() for line in says if "error" in line]
    return f"{errors[0] if errors else 'npm failed'}{environment.through_proxy()}" if run.returncode else ""


def _prefix(version: str) -> Path:
    return CACHE / f"opencode-{version}"


def _folder(version: str, package: str) -> Path:
    return _prefix(version) / "node_modules" / package


def _packages() -> list[str]:
    """The names of the package for this machine: the usual one, and the one for processors without AVX2."""
    system = {"win32": "windows"}.get(sys.platform, sys.platform)
    arch = _arch()
    musl = "-musl" if system == "linux" and platform.libc_ver()[0] != "glibc" else ""
    usual = f"opencode-{system}-{arch}"
    return [usual + musl, f"{usual}-baseline{musl}"]


def _preview_prefix() -> Path:
    return CACHE / "opencode-2-preview"


def _preview_package() -> str:
    """The name of the preview's package for this machine, which is named as OpenCode's own."""
    return f"@opencode-ai/cli-{_packages()[0].removeprefix('opencode-')}"


def _node_prefix() -> Path:
    return CACHE / f"node-{NODE}"


def _node_package() -> str:
    return f"node-{'win' if sys.platform == 'win32' else sys.platform}-{_arch()}"


def _arch() -> str:
    return {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine().lower(), "arm64")
