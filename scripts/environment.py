"""Creates the project's own Python environment and restarts the calling script inside it.

This runs before anything is installed, so it uses the standard library only. A Python too old for the project can run
it too, and then looks for a newer one. The newest on the machine is preferred, because it gets the newest mitmproxy; if
the packages cannot be installed with it, the next one is tried. A marker file in the environment, written last, records
what it was created for: as long as that has not changed, a start takes hardly any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
OLDEST_MINOR, NEWEST_MINOR = 11, 15  # of Python 3


class SetupError(Exception):
    """The environment could not be created; the message says why and what to do."""


class OfflineError(SetupError):
    """Packages cannot be downloaded, so trying another Python is pointless; nothing was changed."""


def enter(extra: str = "", python: str = "", *, lowest: bool = False) -> None:
    """Make sure that the calling script runs in an environment with the package and its `extra` dependencies.

    If the current virtual environment has them, this returns at once. Otherwise it creates the project's environment
    and restarts the script there. `python` requires one version, such as "3.11", and `lowest` the lowest releases that
    pyproject.toml allows; each of these has an environment of its own.
    """
    if python or lowest or not _has_all_packages(extra):
        try:
            venv = prepare(extra, python, lowest=lowest)
        except SetupError as error:
            sys.exit(f"\n{error}")
        except KeyboardInterrupt:
            sys.exit("\nInterrupted. Run this again to start over.")
        if Path(sys.prefix).resolve() != venv.resolve():
            replace_process([str(venv_python(venv)), *sys.argv])
    sys.path.append(str(ROOT))


def replace_process(command: list[str]) -> NoReturn:
    """Replace this program with another one, which gets its signals and decides the exit status."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    # On Windows execv would leave the new program in the background and return to the prompt.
    with subprocess.Popen(command) as process:
        while True:
            try:
                sys.exit(process.wait())
            except KeyboardInterrupt:  # the program got the Ctrl-C too, and decides what to do
                continue


def program(name: str) -> str:
    """Return the path of a program in the current environment, such as mitmdump."""
    return str(Path(sys.executable).with_name(f"{name}.exe" if os.name == "nt" else name))


def venv_python(venv: Path) -> Path:
    """Return the path of an environment's Python."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def venv_program(venv: Path, name: str) -> Path:
    """Return the path of a program in an environment."""
    return venv_python(venv).with_name(f"{name}.exe" if os.name == "nt" else name)


def lowest_releases() -> list[str]:
    """Return the lowest releases of the dependencies that pyproject.toml allows, as constraints for pip."""
    matches = (re.match(r"([\w.-]+)>=([\w.]+)[^;]*(;.*)?", line) for line in _project_table()["dependencies"])
    return [f"{match[1]}=={match[2]}{match[3] or ''}" for match in matches if match]


def prepare(extra: str = "", python: str = "", *, lowest: bool = False) -> Path:
    """Create or update the project's environment and return its path. The parameters are those of `enter`.

    Raises SetupError.
    """
    suffixes = [*([python] if python else []), *(["lowest"] if lowest else [])]
    venv = ROOT / (f".cache/venv-{'-'.join(suffixes)}" if suffixes else ".venv")
    marker = venv / "made-for.json"
    state = _read_marker(marker) if venv_python(venv).exists() else {}
    # An environment that was moved or copied cannot be used: its programs contain its path.
    usable = state.get("venv") == str(venv)
    if usable and state.get("project") == _project_hash() and extra in ("", state.get("extra")):
        return venv
    if usable:
        extra = extra or str(state.get("extra", ""))
        print(f"Updating {venv.relative_to(ROOT)}", flush=True)
        marker.unlink()
        try:
            _install(venv, extra, lowest)
        except OfflineError:  # nothing in it has changed
            marker.write_text(json.dumps(state), "utf-8")
            raise
    else:
        _create_environment(venv, extra, python, lowest)
    marker.write_text(json.dumps({"venv": str(venv), "project": _project_hash(), "extra": extra}), "utf-8")
    return venv


def pythons(version: str = "") -> Iterator[str]:
    """Yield the paths of the suitable Pythons on this machine, the newest first; only those of `version` if given."""
    paths = {sys.version_info[:2]: _base_python()}
    for minor in range(OLDEST_MINOR, NEWEST_MINOR + 1):
        launcher = ["py", f"-3.{minor}"] if os.name == "nt" else [f"python3.{minor}"]
        # Version managers put commands on the PATH that start no Python, so finding the file is not enough.
        output = _output([*launcher, "-c", "import sys; print(*sys.version_info[:2], sys.executable)"])
        if output:
            major, actual_minor, path = output.split(maxsplit=2)
            paths.setdefault((int(major), int(actual_minor)), path)
    for numbers in sorted(paths, reverse=True):
        if numbers >= (3, OLDEST_MINOR) and version in ("", ".".join(map(str, numbers))):
            yield paths[numbers]


def is_newest() -> bool:
    """Return whether this machine has no newer Python than the current one."""
    return next(pythons()) == _base_python()


def _base_python() -> str:
    """Return the path of the Python that the current environment was created with."""
    return getattr(sys, "_base_executable", sys.executable)


def _has_all_packages(extra: str) -> bool:
    """Return whether this runs in a virtual environment that has the package's dependencies and those of `extra`."""
    if sys.prefix == sys.base_prefix or sys.version_info < (3, OLDEST_MINOR):
        return False
    project = _project_table()
    return all(map(_is_installed, [*project["dependencies"], *project["optional-dependencies"].get(extra, ())]))


def _project_table() -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:
        raise SetupError(f"Run this with Python 3.{OLDEST_MINOR} or newer.") from None

    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def _is_installed(requirement: str) -> bool:
    """Return whether this Python has the package in a release that is not too old for the requirement."""
    name, _, bounds = requirement.partition(">=")
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return version_numbers(installed) >= version_numbers(re.split("[,;]", bounds)[0])


def version_numbers(version: str) -> list[int]:
    """Return the numbers in a version; lists of them sort as the versions do."""
    return [int(number) for number in re.findall(r"\d+", version)]


def _project_hash() -> str:
    """Return a hash of the part of pyproject.toml that decides about packages: all that precedes the tools' tables."""
    tables = (ROOT / "pyproject.toml").read_text("utf-8").partition("\n[tool.")[0]
    return hashlib.sha256(tables.encode()).hexdigest()


def _read_marker(marker: Path) -> dict[str, object]:
    try:
        state = json.loads(marker.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _output(command: list[str]) -> str:
    """Return what a command prints, without surrounding whitespace; "" if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _create_environment(venv: Path, extra: str, version: str, lowest: bool) -> None:
    """Create an environment, replacing an old one, with the first Python for which that works. Raises SetupError."""
    errors = []
    for python in pythons(version):
        print(f"Setting up {venv.relative_to(ROOT)} with {python} (once; takes about a minute)", flush=True)
        try:
            _create_venv(venv, python)
            _install(venv, extra, lowest)
        except OfflineError:
            raise
        except SetupError as error:
            errors.append(f"{python}: {error}")
            print("  That did not work.", flush=True)
        else:
            return
    raise SetupError("\n".join(errors) or f"{missing_python(version)} Get it from python.org.")


def missing_python(version: str) -> str:
    """Return the message for a machine that has no suitable Python, or none of `version` if that is not ""."""
    return f"This needs Python {version or f'3.{OLDEST_MINOR} or newer'}, which is not installed on this machine."


def _create_venv(venv: Path, python: str) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    done = subprocess.run([python, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stdout + done.stderr).strip()
        # If the module exists but is incomplete, its own message says what to install.
        hint = "\nOn Debian and Ubuntu: sudo apt-get install python3-venv" if "No module named" in output else ""
        raise SetupError(output + hint)


def _install(venv: Path, extra: str, lowest: bool) -> None:
    package = f".[{extra}]" if extra else "."
    command = [str(venv_python(venv)), "-m", "pip", "install", "--no-input", "--editable", package]
    if lowest:
        constraints = venv / "lowest.txt"
        constraints.write_text("\n".join(lowest_releases()), "utf-8")
        command += ["--constraint", str(constraints)]
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as pip:
        for line in pip.stdout or ():
            lines.append(line.strip())
            if lines[-1].startswith(("Collecting", "Installing", "Downloading", "WARNING: Retrying")):
                _show_progress(lines[-1].split(" (")[0])
    _show_progress("")
    if pip.returncode:
        started_installing = any(line.startswith("Installing collected") for line in lines)
        if not started_installing and any(line.startswith("WARNING: Retrying") for line in lines):
            raise OfflineError(
                f"pip cannot reach the package index{proxy_note()}. Check the connection, then run this again."
            )
        raise SetupError("\n".join(["pip could not install the packages:", *lines[-8:]]))


def proxy_note() -> str:
    """Return " through the proxy HOST:PORT (HTTPS_PROXY)", for an error message, or "" if no such proxy is set."""
    proxy = urllib.request.getproxies().get("https", "")
    return f" through the proxy {proxy.rpartition('//')[2].rpartition('@')[2]} (HTTPS_PROXY)" if proxy else ""


def _show_progress(step: str) -> None:
    """Show what is being done, on one line of a terminal that is overwritten; elsewhere as a dot. "" ends the line."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{step[:78]}", end="", flush=True)
    else:
        print("." if step else "", end="" if step else "\n", flush=True)
