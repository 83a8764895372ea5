"""Installs the package into empty environments, as a new user would, and tries it: `python3 scripts/fresh_install.py`.

Three kinds of virtual environments are tried (`--only` selects one kind):

  newest    the newest releases of the dependencies, on every Python of this machine that is new enough
  lowest    the lowest releases that pyproject.toml allows, on the oldest Python
  checkout  only mitmproxy and pydantic, on the newest and the oldest Python

In the first two, `codex-transform doctor`, `mitmdump -s "$(codex-transform addon-path)"` and a request through that
proxy must work. In the third, `mitmdump -s addon.py` must, started in another folder and through a symbolic link. If
anything fails, the releases newer than those in scripts/tried_releases.txt are named. `--update` writes that file.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPSConnection
from pathlib import Path

import environment
import processes
import programs

KINDS = ("newest", "lowest", "checkout")
TRIED = environment.ROOT / "scripts" / "tried_releases.txt"

_HOST = "api.openai.com"
_IGNORED_PACKAGES = {"codex-transform", "pip", "setuptools"}
_CERTIFICATE_TIMEOUT = 60  # seconds
_LISTENING = re.compile(r"proxy listening at 127\.0\.0\.1:(\d+)")
_SANDBOX = re.compile(r"^sandbox: (\S+) key (\S+)", re.MULTILINE)


class FailureError(Exception):
    """Something that a fresh installation must be able to do failed; the message says what."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--python", default="", help="only this version, such as 3.13")
    parser.add_argument("--only", choices=KINDS, default="", help="only this kind")
    parser.add_argument("--update", action="store_true", help=f"write {TRIED.name} if everything worked")
    options = parser.parse_args()
    pythons = list(environment.pythons(options.python))
    if not pythons:
        sys.exit(environment.missing_python(options.python))
    # For newer Pythons there are no builds of the lowest releases.
    pythons_of = {"newest": pythons, "lowest": pythons[-1:], "checkout": dict.fromkeys((pythons[0], pythons[-1]))}
    runs = [(python, kind) for kind in KINDS for python in pythons_of[kind] if options.only in ("", kind)]
    newest: dict[str, str] = {}
    failed = False
    for python, kind in runs:
        error, installed = install_and_try(python, kind)
        failed = failed or error is not None
        # The newest Python comes first; older ones add packages that it does not need.
        newest |= installed | newest if kind == "newest" else {}
        print(f"  {error or 'works'}\n", flush=True)
    if failed:
        sys.exit(1)
    if options.update:
        TRIED.write_text("".join(f"{name}=={version}\n" for name, version in sorted(newest.items())), "utf-8")


def install_and_try(python: str, kind: str) -> tuple[str | None, dict[str, str]]:
    """Install the package with this Python and try it; return the error, if any, and the versions by package."""
    print(f"{python}, {kind}", flush=True)
    installed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            venv = install(Path(folder), python, kind)
            installed = installed_releases(venv)
            print(f"  mitmproxy {installed['mitmproxy']}, pydantic {installed['pydantic']}", flush=True)
            try_out(venv, Path(folder), kind)
        except FailureError as error:
            return f"FAILED: {error}\n\n  {suspects(installed)}", installed
    return None, installed


def install(folder: Path, python: str, kind: str) -> Path:
    """Create a virtual environment in `folder` with the package and its dependencies, and return its path.

    For the kind "checkout" it has mitmproxy and pydantic instead. Raises FailureError.
    """
    venv = folder / "venv"
    pip_install = [str(environment.venv_python(venv)), "-m", "pip", "install", "--no-input", "--quiet"]
    if kind == "lowest":
        constraints = folder / "lowest.txt"
        constraints.write_text("\n".join(environment.lowest_releases()), "utf-8")
        pip_install += ["--constraint", str(constraints)]
    packages = ["mitmproxy", "pydantic"] if kind == "checkout" else [str(environment.ROOT)]
    for command in ([python, "-m", "venv", str(venv)], [*pip_install, *packages]):
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise FailureError(f"{' '.join(command)}\n{_tail(done.stdout + done.stderr)}")
    return venv


def installed_releases(venv: Path) -> dict[str, str]:
    """Return the versions of an environment's packages by normalized name, without this project's and pip's own."""
    command = [str(environment.venv_python(venv)), "-m", "pip", "list", "--format", "json"]
    packages = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    versions = {re.sub(r"[-_.]+", "-", package["name"]).lower(): package["version"] for package in packages}
    return {name: version for name, version in versions.items() if name not in _IGNORED_PACKAGES}


def suspects(installed: dict[str, str]) -> str:
    """Return a sentence that names the installed releases that are newer than those tried last."""
    tried = dict(line.split("==") for line in TRIED.read_text("utf-8").split())
    numbers = environment.version_numbers
    newer = [
        f"{name} {version} (tried: {tried.get(name, 'none')})"
        for name, version in sorted(installed.items())
        if name not in tried or numbers(version) > numbers(tried[name])
    ]
    if not newer:
        return "No release is newer than those tried last, so the cause is in this project."
    return f"Newer than those tried last, so look at these first: {', '.join(newer)}"


def try_out(venv: Path, folder: Path, kind: str) -> None:
    """Use the package in an environment as the README tells its users to. Raises FailureError."""
    opencode = programs.install_opencode(programs.OPENCODE)
    if opencode is None:
        raise FailureError(f"doctor needs OpenCode {programs.OPENCODE}, which npm could not install")
    home = folder / "home"
    python = environment.venv_python(venv)
    environ = processes.isolated_environ(home, CODEX_CATALOG_URL="http://127.0.0.1:9/none", PYTHONUNBUFFERED="1")
    environ["PATH"] = os.pathsep.join([str(python.parent), str(opencode.parent), environ["PATH"]])
    sandbox_environ = environ | {"PYTHONPATH": str(environment.ROOT)} if kind == "checkout" else environ
    sandbox = [str(python), "-m", "codex_transform.sandbox"]
    with started(sandbox, sandbox_environ, folder / "sandbox.log", _SANDBOX) as match:
        environ |= {"CODEX_BASE_URL": match[1], "CODEX_API_KEY": match[2]}
        if kind == "checkout":
            addon = folder / "link.py"
            addon.symlink_to(environment.ROOT / "addon.py")
        else:
            codex_transform = str(environment.venv_program(venv, "codex-transform"))
            _run([codex_transform, "doctor"], environ, home)
            addon = Path(_run([codex_transform, "addon-path"], environ, home).strip())
        mitmdump = [str(environment.venv_program(venv, "mitmdump")), "-s", str(addon)]
        mitmdump += ["--listen-host", "127.0.0.1", "--listen-port", "0"]
        with started(mitmdump, environ, folder / "mitmdump.log", _LISTENING) as match:
            call(int(match[1]), wait_for_ca(home / ".mitmproxy" / "mitmproxy-ca-cert.pem"))


@contextmanager
def started(command: list[str], environ: dict[str, str], log: Path, ready: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """Yield the match once a program's output matches `ready`; the program ends with the block.

    Raises FailureError if it does not start, and if a connection fails in the block, with the end of its output.
    """
    try:
        with processes.started(command, environ, log.parent, log, ready) as (match, _):
            yield match
    except processes.NotStartedError as error:
        raise FailureError(f"{' '.join(command)} did not start:\n{_tail(_read(log))}") from error
    except (OSError, HTTPException) as error:
        raise FailureError(f"a request through {' '.join(command)}: {error}\n{_tail(_read(log))}") from error


def wait_for_ca(file: Path) -> str:
    """Return the proxy's CA certificate as PEM; the proxy writes it a moment after it listens. Raises FailureError."""
    deadline = time.monotonic() + _CERTIFICATE_TIMEOUT
    while time.monotonic() < deadline:
        if file.is_file() and "END CERTIFICATE" in (text := file.read_text("ascii")):
            return text
        time.sleep(0.05)
    raise FailureError(f"mitmdump did not write its certificate, {file}")


def call(port: int, ca: str) -> None:
    """Send one request through the proxy, with TLS. Raises FailureError if the response is not a completed stream."""
    connection = HTTPSConnection("127.0.0.1", port, timeout=30, context=ssl.create_default_context(cadata=ca))
    connection.set_tunnel(_HOST)
    body = json.dumps({"model": "gpt-5.3-codex", "input": "say hello", "stream": True})
    connection.request("POST", "/v1/responses", body, {"content-type": "application/json"})
    response = connection.getresponse()
    body = response.read().decode("utf-8", "replace")
    connection.close()
    if response.status != 200 or "response.completed" not in body:
        raise FailureError(f"a request through the proxy got HTTP {response.status}:\n{_tail(body)}")


def _run(command: list[str], environ: dict[str, str], cwd: Path) -> str:
    """Run a command to its end and return its standard output. Raises FailureError if it fails."""
    done = subprocess.run(
        command, env=environ, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=180, check=False
    )
    if done.returncode:
        raise FailureError(f"{' '.join(command)}\n{_tail(done.stdout + done.stderr)}")
    return done.stdout


def _read(log: Path) -> str:
    return log.read_text("utf-8", "replace")


def _tail(text: str) -> str:
    """Return the last 60 lines, indented."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-60:])


if __name__ == "__main__":
    main()
