"""Finds the real OpenCode and a Node, or installs them in `.cache/` through npm."""

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

# The versions that the end-to-end tests run: a current one, and an old one with other tools and headers.
OPENCODE = "1.18.33"
OLD_OPENCODE = "1.1.65"

# The preview of OpenCode 2, a program named `lildax`: the release itself is not in npm's registry.
OPENCODE_2 = "1.18.18"

# For machines whose own Node ignores HTTPS_PROXY.
NODE = "24.21.0"

_INSTALL_TIMEOUT = 600  # seconds


def opencode_on_path() -> tuple[Path, str] | None:
    """Return the user's own OpenCode and its version; None if there is none or it does not run."""
    path = shutil.which("opencode")
    version = program_version(Path(path)) if path else None
    return (Path(path), version) if path and version else None


def find_opencode(version: str) -> Path | None:
    """Return the program of exactly this version, if it is in the cache."""
    names = ("opencode.exe", "opencode")
    for path in (_folder(version, package) / "bin" / name for package in _packages() for name in names):
        if path.is_file() and program_version(path):
            return path
    return None


def install_opencode(version: str) -> Path | None:
    """Return the program of this version; if it is not in the cache, install it through npm, showing progress.

    Returns None without npm, without network, or if no package runs on this machine. Only the package for this machine
    is installed: the general one depends on several, of 150 MB each.
    """
    npm = shutil.which("npm")
    for package in _packages():
        if (path := find_opencode(version)) or npm is None:
            return path
        # npm would take what an interrupted run left behind for an installed package.
        shutil.rmtree(_folder(version, package), ignore_errors=True)
        if not _install(npm, _prefix(version), package, version):
            return None
    return find_opencode(version)


def install_command(version: str) -> str:
    """Return the command that installs this version where `find_opencode` looks for it."""
    return _npm_command(_prefix(version), _packages()[0], version)


def find_opencode_2() -> Path | None:
    """Return the program of the preview of OpenCode 2, if it is in the cache."""
    for name in ("lildax.exe", "lildax"):
        path = _preview_prefix() / "node_modules" / _preview_package() / "bin" / name
        if path.is_file() and program_version(path):
            return path
    return None


def install_opencode_2() -> Path | None:
    """Return the program of the preview, installed through npm if necessary; None if that fails."""
    return _find_or_install(find_opencode_2, _preview_prefix(), _preview_package(), OPENCODE_2)


def opencode_2_install_command() -> str:
    """Return the command that installs the preview where `find_opencode_2` looks for it."""
    return _npm_command(_preview_prefix(), _preview_package(), OPENCODE_2)


def find_node() -> Path | None:
    """Return a Node that can use HTTPS_PROXY: the machine's own, or the one in the cache."""
    on_path = shutil.which("node")
    cached = _node_prefix() / "node_modules" / _node_package() / "bin" / ("node.exe" if os.name == "nt" else "node")
    for path in (*([Path(on_path)] if on_path else []), cached):
        if path.is_file() and (match := re.match(r"v(\d+)\.(\d+)", program_version(path) or "")):
            numbers = int(match[1]), int(match[2])
            if (22, 21) <= numbers < (23, 0) or numbers >= (24, 0):
                return path
    return None


def install_node() -> Path | None:
    """Return a Node that can use HTTPS_PROXY, installed through npm if necessary; None if that fails."""
    return _find_or_install(find_node, _node_prefix(), _node_package(), NODE)


def node_install_command() -> str:
    """Return the command that installs a Node where `find_node` looks for it."""
    return _npm_command(_node_prefix(), _node_package(), NODE)


@cache
def program_version(path: Path) -> str | None:
    """Return what a program prints for `--version`; None if it fails, as on a processor that lacks an instruction."""
    # For this too OpenCode writes to its home and leaves a library among the temporary files.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        homes = dict.fromkeys(("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"), folder)
        try:
            done = subprocess.run(
                [path, "--version"], capture_output=True, text=True, timeout=60, env=os.environ | homes, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _find_or_install(find: Callable[[], Path | None], prefix: Path, package: str, version: str) -> Path | None:
    npm = shutil.which("npm")
    if (path := find()) or npm is None:
        return path
    shutil.rmtree(prefix, ignore_errors=True)
    _install(npm, prefix, package, version)
    return find()


def _npm_command(prefix: Path, package: str, version: str) -> str:
    return f"npm install --prefix {prefix.relative_to(CACHE.parent)} {package}@{version}"


def _install(npm: str, prefix: Path, package: str, version: str) -> bool:
    """Install a package below `prefix`, showing progress and errors; return whether that worked."""
    print(f"Installing {package} {version} through npm (once) ", end="", flush=True)
    error = _run_npm(npm, prefix, f"{package}@{version}")
    print(f"\n  {error}\n" if error else "\n", flush=True)
    return not error


def _run_npm(npm: str, prefix: Path, package: str) -> str:
    """Install a package, printing a dot every two seconds; return the error in one line, or "" if there was none."""
    prefix.mkdir(parents=True, exist_ok=True)
    # npm installs where this file is. The option --prefix would do the same, but make npm ignore the machine's npmrc.
    (prefix / "package.json").write_text('{"private": true}')
    command = [npm, "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts", "--loglevel=error"]
    command += ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000", package]
    with (
        tempfile.TemporaryFile("w+", errors="replace") as output,
        subprocess.Popen(command, cwd=prefix, stdout=output, stderr=output, stdin=subprocess.DEVNULL) as process,
    ):
        for _ in range(_INSTALL_TIMEOUT // 2):
            try:
                process.wait(2)
                break
            except subprocess.TimeoutExpired:
                print(".", end="", flush=True)
        else:
            process.kill()
            return f"npm did not finish within {_INSTALL_TIMEOUT} seconds"
        output.seek(0)
        errors = [line.strip() for line in output if "error" in line]
    return f"{errors[0] if errors else 'npm failed'}{environment.proxy_note()}" if process.returncode else ""


def _prefix(version: str) -> Path:
    return CACHE / f"opencode-{version}"


def _folder(version: str, package: str) -> Path:
    return _prefix(version) / "node_modules" / package


def _packages() -> list[str]:
    """Return the names of OpenCode's packages for this machine: the usual one, and one for processors without AVX2."""
    system = {"win32": "windows"}.get(sys.platform, sys.platform)
    arch = _arch()
    musl = "-musl" if system == "linux" and platform.libc_ver()[0] != "glibc" else ""
    name = f"opencode-{system}-{arch}"
    return [name + musl, f"{name}-baseline{musl}"]


def _preview_prefix() -> Path:
    return CACHE / "opencode-2-preview"


def _preview_package() -> str:
    """Return the name of the preview's package for this machine, which follows the pattern of OpenCode's own."""
    return f"@opencode-ai/cli-{_packages()[0].removeprefix('opencode-')}"


def _node_prefix() -> Path:
    return CACHE / f"node-{NODE}"


def _node_package() -> str:
    return f"node-{'win' if sys.platform == 'win32' else sys.platform}-{_arch()}"


def _arch() -> str:
    return {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(platform.machine().lower(), "arm64")
