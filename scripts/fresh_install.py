"""Installs the package as a stranger would, and tries it: `python3 scripts/fresh_install.py`.

Every Python on this machine that is new enough gets a bare virtual environment with the newest releases of what the
package needs, and the oldest Python another one with the lowest that pyproject.toml allows. In each, `codex-transform
doctor`, `mitmdump -s "$(codex-transform addon-path)"` and one call through that proxy have to work. The newest and the
oldest Python get one more, with mitmproxy and pydantic alone: there `mitmdump -s addon.py` has to work from elsewhere
and through a link. (`--only newest`, `lowest` or `checkout` does one of the three.) When something does not work, the
releases that are newer than those tried last, in scripts/tried_releases.txt, are named: `--update` writes that file.
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
_START_TIMEOUT = 60  # seconds until a program says that it is ready
_LISTENING = re.compile(r"proxy listening at 127\.0\.0\.1:(\d+)")
_SANDBOX = re.compile(r"^sandbox: (\S+) key (\S+)", re.MULTILINE)


class FailureError(Exception):
    """Something that a fresh installation has to do did not work; the message says what."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--python", default="", help="only this version, such as 3.13")
    parser.add_argument("--only", choices=KINDS, default="", help="only this kind")
    parser.add_argument("--update", action="store_true", help=f"write {TRIED.name} when all went well")
    options = parser.parse_args()
    pythons = list(environment.pythons(options.python))
    if not pythons:
        sys.exit(f"This needs Python {options.python or f'3.{environment.OLDEST} or newer'}, and there is none here.")
    # The lowest releases are those of the oldest Python: newer ones have no builds of them.
    chosen = {"newest": pythons, "lowest": pythons[-1:], "checkout": dict.fromkeys((pythons[0], pythons[-1]))}
    runs = [(python, kind) for kind in KINDS for python in chosen[kind] if options.only in ("", kind)]
    newest: dict[str, str] = {}
    failed = False
    for python, kind in runs:
        says, installed = attempt(python, kind)
        failed = failed or says is not None
        # The newest Python comes first; older ones add what it has no need of.
        newest |= installed | newest if kind == "newest" else {}
        print(f"  {says or 'works'}\n", flush=True)
    if failed:
        sys.exit(1)
    if options.update:
        TRIED.write_text("".join(f"{name}=={version}\n" for name, version in sorted(newest.items())), "utf-8")


def attempt(python: str, kind: str) -> tuple[str | None, dict[str, str]]:
    """Install and try it with this Python: what went wrong, None if nothing, and the releases that were installed."""
    print(f"{python}, {kind}", flush=True)
    installed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            venv = install(Path(folder), python, kind)
            installed = releases(venv)
            print(f"  mitmproxy {installed['mitmproxy']}, pydantic {installed['pydantic']}", flush=True)
            try_out(venv, Path(folder), kind)
        except FailureError as failure:
            return f"FAILED: {failure}\n\n  {suspects(installed)}", installed
    return None, installed


def install(folder: Path, python: str, kind: str) -> Path:
    """A virtual environment with the package, and nothing beside it but what it needs. Raises FailureError.

    For a checkout, which is used as it lies there, it has mitmproxy and pydantic instead.
    """
    venv = folder / "venv"
    command = [str(environment.interpreter(venv)), "-m", "pip", "install", "--no-input", "--quiet"]
    if kind == "lowest":
        constraints = folder / "lowest.txt"
        constraints.write_text("\n".join(environment.lowest_releases()), "utf-8")
        command += ["--constraint", str(constraints)]
    what = ["mitmproxy", "pydantic"] if kind == "checkout" else [str(environment.ROOT)]
    for step in ([python, "-m", "venv", str(venv)], [*command, *what]):
        done = subprocess.run(step, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise FailureError(f"{' '.join(step)}\n{_tail(done.stdout + done.stderr)}")
    return venv


def releases(venv: Path) -> dict[str, str]:
    """The packages in an environment, by name in lower case, and their versions."""
    listing = [str(environment.interpreter(venv)), "-m", "pip", "list", "--format", "json"]
    found = json.loads(subprocess.run(listing, capture_output=True, text=True, check=True).stdout)
    ours = {"codex-transform", "pip", "setuptools"}
    named = {re.sub(r"[-_.]+", "-", each["name"]).lower(): each["version"] for each in found}
    return {name: version for name, version in named.items() if name not in ours}


def suspects(installed: dict[str, str]) -> str:
    """What is installed and newer than what was tried last, in a sentence."""
    tried = dict(line.split("==") for line in TRIED.read_text("utf-8").split())
    numbers = environment.version_numbers
    newer = [
        f"{name} {version} (tried: {tried.get(name, 'none')})"
        for name, version in sorted(installed.items())
        if name not in tried or numbers(version) > numbers(tried[name])
    ]
    if not newer:
        return "No release here is newer than those that were tried: the cause is in this project."
    return f"Newer than what was tried last, so look at these first: {', '.join(newer)}"


def try_out(venv: Path, folder: Path, kind: str) -> None:
    """Use the package in an environment as its README says. Raises FailureError."""
    opencode = programs.install_opencode(programs.OPENCODE)
    if opencode is None:
        raise FailureError(f"doctor needs OpenCode {programs.OPENCODE}, and npm could not get it")
    home = folder / "home"
    programs_folder = environment.interpreter(venv).parent
    environ = processes.environ(home, CODEX_CATALOG_URL="http://127.0.0.1:9/none", PYTHONUNBUFFERED="1")
    environ["PATH"] = os.pathsep.join([str(programs_folder), str(opencode.parent), environ["PATH"]])
    python = str(environment.interpreter(venv))
    sandbox = environ | {"PYTHONPATH": str(environment.ROOT)} if kind == "checkout" else environ
    with started([python, "-m", "codex_transform.sandbox"], sandbox, folder / "sandbox.log", _SANDBOX) as found:
        environ |= {"CODEX_BASE_URL": found[1], "CODEX_API_KEY": found[2]}
        if kind == "checkout":
            addon = folder / "link.py"
            addon.symlink_to(environment.ROOT / "addon.py")
        else:
            command = str(environment.in_venv(venv, "codex-transform"))
            _run([command, "doctor"], environ, home)
            addon = Path(_run([command, "addon-path"], environ, home).strip())
        mitmdump = [str(environment.in_venv(venv, "mitmdump")), "-s", str(addon)]
        mitmdump += ["--listen-host", "127.0.0.1", "--listen-port", "0"]
        with started(mitmdump, environ, folder / "mitmdump.log", _LISTENING) as listening:
            call(int(listening[1]), authority(home / ".mitmproxy" / "mitmproxy-ca-cert.pem"))


@contextmanager
def started(command: list[str], environ: dict[str, str], log: Path, ready: re.Pattern[str]) -> Iterator[re.Match[str]]:
    """A program while it runs; gives what it said when it was `ready`. Raises FailureError if it never is, and if
    what happens in the block fails, with the end of what the program said."""
    with log.open("wb") as output, processes.running(command, environ, log.parent, output) as process:
        deadline = time.monotonic() + _START_TIMEOUT
        while not (found := ready.search(log.read_text("utf-8", "replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise FailureError(f"{' '.join(command)}\n{_tail(log.read_text('utf-8', 'replace'))}")
            time.sleep(0.05)
        try:
            yield found
        except (OSError, HTTPException) as error:
            said = _tail(log.read_text("utf-8", "replace"))
            raise FailureError(f"a call through {' '.join(command)}: {error}\n{said}") from error


def authority(file: Path) -> str:
    """The proxy's certificate, which it makes a moment after it listens. Raises FailureError if it never does."""
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        if file.is_file() and "END CERTIFICATE" in (text := file.read_text("ascii")):
            return text
        time.sleep(0.05)
    raise FailureError(f"mitmdump did not make its certificate, {file}")


def call(port: int, ca: str) -> None:
    """One call as a client makes it, through the proxy and by TLS. Raises FailureError for a wrong answer."""
    connection = HTTPSConnection("127.0.0.1", port, timeout=30, context=ssl.create_default_context(cadata=ca))
    connection.set_tunnel(_HOST)
    body = json.dumps({"model": "gpt-5.3-codex", "input": "say hello", "stream": True})
    connection.request("POST", "/v1/responses", body, {"content-type": "application/json"})
    response = connection.getresponse()
    answer = response.read().decode("utf-8", "replace")
    connection.close()
    if response.status != 200 or "response.completed" not in answer:
        raise FailureError(f"a call through the proxy was answered with {response.status}:\n{_tail(answer)}")


def _run(command: list[str], environ: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(
        command, env=environ, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=180, check=False
    )
    if done.returncode:
        raise FailureError(f"{' '.join(command)}\n{_tail(done.stdout + done.stderr)}")
    return done.stdout


def _tail(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-60:])


if __name__ == "__main__":
    main()
