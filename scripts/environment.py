"""Makes the project's own Python environment and starts a script again inside it.

Runs with nothing installed, so it uses the standard library only, and Pythons too old for the project can read it:
they look for a newer one. The newest on the machine is preferred, because it gets the newest mitmproxy; when that one
cannot install the packages, the next one is tried. A mark in the environment, written when all is in place, says what
it was made for: while that holds, a start costs next to nothing.
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
OLDEST, NEWEST = 11, 15


class SetupError(Exception):
    """The environment could not be made; the message says why and what to do."""


class OfflineError(SetupError):
    """Packages cannot be fetched, so another Python would fare no better; nothing was changed."""


def enter(extra: str = "", python: str = "", *, lowest: bool = False) -> None:
    """Returns inside an environment that has the package and its `extra` dependencies.

    A virtual environment that has them already is taken as it is, also one of the user's own. Otherwise this makes
    the project's, runs the calling script again inside, and ends with its exit status. `python` asks for one
    version, such as "3.11", and `lowest` for the lowest releases that pyproject.toml allows, each in an environment of
    its own.
    """
    if python or lowest or not _at_hand(extra):
        try:
            venv = prepare(extra, python, lowest=lowest)
        except SetupError as failure:
            sys.exit(f"\n{failure}")
        except KeyboardInterrupt:
            sys.exit("\nInterrupted. Run this again to begin anew.")
        if Path(sys.prefix).resolve() != venv.resolve():
            become([str(interpreter(venv)), *sys.argv])
    sys.path.append(str(ROOT))


def become(command: list[str]) -> NoReturn:
    """Ends this program by turning it into another one, which gets its signals and gives its exit status."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)
    # Windows would start the program beside this one and give the prompt back at once.
    with subprocess.Popen(command) as process:
        while True:
            try:
                sys.exit(process.wait())
            except KeyboardInterrupt:  # the program got the Ctrl-C too, and decides
                continue


def program(name: str) -> str:
    """A program of the environment that this runs in, such as mitmdump."""
    return str(Path(sys.executable).with_name(f"{name}.exe" if os.name == "nt" else name))


def interpreter(venv: Path) -> Path:
    """The Python of an environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def in_venv(venv: Path, name: str) -> Path:
    """A program of an environment."""
    return interpreter(venv).with_name(f"{name}.exe" if os.name == "nt" else name)


def lowest_releases() -> list[str]:
    """The lowest releases of what the package needs that pyproject.toml allows, as constraints for pip."""
    bounds = (re.match(r"([\w.-]+)>=([\w.]+)[^;]*(;.*)?", each) for each in _project_table()["dependencies"])
    return [f"{bound[1]}=={bound[2]}{bound[3] or ''}" for bound in bounds if bound]


def prepare(extra: str = "", python: str = "", *, lowest: bool = False) -> Path:
    """The project's environment, made to hold the package and its `extra` dependencies. Raises SetupError."""
    names = [*([python] if python else []), *(["lowest"] if lowest else [])]
    venv = ROOT / (f".cache/venv-{'-'.join(names)}" if names else ".venv")
    mark = venv / "made-for.json"
    made = _read(mark) if interpreter(venv).exists() else {}
    # An environment that was moved or copied is of no use: the programs in it hold its path.
    whole = made.get("venv") == str(venv)
    if whole and made.get("project") == _project() and extra in ("", made.get("extra")):
        return venv
    if whole:
        extra = extra or str(made.get("extra", ""))
        print(f"Bringing {venv.relative_to(ROOT)} up to date", flush=True)
        mark.unlink()
        try:
            _install(venv, extra, lowest)
        except OfflineError:  # it is what it was
            mark.write_text(json.dumps(made), "utf-8")
            raise
    else:
        _make(venv, extra, python, lowest)
    mark.write_text(json.dumps({"venv": str(venv), "project": _project(), "extra": extra}), "utf-8")
    return venv


def pythons(wanted: str = "") -> Iterator[str]:
    """The suitable Pythons on this machine, the newest first."""
    found = {sys.version_info[:2]: _base()}
    for minor in range(OLDEST, NEWEST + 1):
        launcher = ["py", f"-3.{minor}"] if os.name == "nt" else [f"python3.{minor}"]
        # A version manager leaves names on the path that lead to no Python: ask, rather than look.
        says = _output([*launcher, "-c", "import sys; print(*sys.version_info[:2], sys.executable)"])
        if says:
            major, actual, path = says.split(maxsplit=2)
            found.setdefault((int(major), int(actual)), path)
    for version in sorted(found, reverse=True):
        if version >= (3, OLDEST) and wanted in ("", ".".join(map(str, version))):
            yield found[version]


def is_newest() -> bool:
    """True if this machine has no newer Python than the one that runs this."""
    return next(pythons()) == _base()


def _base() -> str:
    """The Python that an environment was made from."""
    return getattr(sys, "_base_executable", sys.executable)


def _at_hand(extra: str) -> bool:
    """True inside a virtual environment that has all packages."""
    if sys.prefix == sys.base_prefix or sys.version_info < (3, OLDEST):
        return False
    project = _project_table()
    return all(map(_has, [*project["dependencies"], *project["optional-dependencies"].get(extra, ())]))


def _project_table() -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:
        raise SetupError(f"Run this with Python 3.{OLDEST} or newer.") from None

    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return project


def _has(requirement: str) -> bool:
    """True if this Python has the package, and one no older than the requirement says."""
    name, _, bounds = requirement.partition(">=")
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return version_numbers(installed) >= version_numbers(re.split("[,;]", bounds)[0])


def version_numbers(version: str) -> list[int]:
    """The numbers in a version, which compare as the versions do."""
    return [int(number) for number in re.findall(r"\d+", version)]


def _project() -> str:
    """Changes when the packages may: the project's tables stand before those of its tools."""
    tables = (ROOT / "pyproject.toml").read_text("utf-8").partition("\n[tool.")[0]
    return hashlib.sha256(tables.encode()).hexdigest()


def _read(mark: Path) -> dict[str, object]:
    try:
        made = json.loads(mark.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return made if isinstance(made, dict) else {}


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _make(venv: Path, extra: str, wanted: str, lowest: bool) -> None:
    """A new environment in place of what may be there, from the first Python that can."""
    failures = []
    for python in pythons(wanted):
        print(f"Setting up {venv.relative_to(ROOT)} with {python} (once; a minute or so)", flush=True)
        try:
            _create(venv, python)
            _install(venv, extra, lowest)
        except OfflineError:
            raise
        except SetupError as failure:
            failures.append(f"{python}: {failure}")
            print("  That did not work.", flush=True)
        else:
            return
    version = wanted or f"3.{OLDEST} or newer"
    raise SetupError("\n".join(failures) or f"This needs Python {version}, and there is none here: see python.org.")


def _create(venv: Path, python: str) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    done = subprocess.run([python, "-m", "venv", str(venv)], capture_output=True, text=True, check=False)
    if done.returncode:
        says = (done.stdout + done.stderr).strip()
        # Where the module is there but incomplete, it says itself what to install.
        missing = "\nOn Debian and Ubuntu: sudo apt-get install python3-venv" if "No module named" in says else ""
        raise SetupError(says + missing)


def _install(venv: Path, extra: str, lowest: bool) -> None:
    what = f".[{extra}]" if extra else "."
    command = [str(interpreter(venv)), "-m", "pip", "install", "--no-input", "--editable", what]
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
                _show(lines[-1].split(" (")[0])
    _show("")
    if pip.returncode:
        begun = any(line.startswith("Installing collected") for line in lines)
        if not begun and any(line.startswith("WARNING: Retrying") for line in lines):
            raise OfflineError(f"pip cannot reach the package index{through_proxy()}: is it up? Then run again.")
        raise SetupError("\n".join(["pip could not install the packages:", *lines[-8:]]))


def through_proxy() -> str:
    """Name the proxy that programs are told to use for https, in words that go behind what they cannot reach."""
    proxy = urllib.request.getproxies().get("https", "")
    return f" through the proxy {proxy.rpartition('//')[2].rpartition('@')[2]} (HTTPS_PROXY)" if proxy else ""


def _show(step: str) -> None:
    """One line that changes on a terminal; elsewhere a dot a step."""
    if sys.stdout.isatty():
        print(f"\r\x1b[K{step[:78]}", end="", flush=True)
    else:
        print("." if step else "", end="" if step else "\n", flush=True)
