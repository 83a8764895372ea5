"""Real clients in `.cache/`: installs them once, runs them as programs, and reads what an endpoint received from them.

Each folder has a copy of the list that it was installed from, written last; if the list changes, it is reinstalled.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import programs

from support.needed import install_lock, skip_or_fail
from support.running import ROOT, Proxy

SCRIPTS = ROOT / "tests" / "clients" / "real"
SYSTEM = "You are a parrot."
KEY = "sk-dummy-of-the-client-0000"

_INSTALL_TIMEOUT = 900  # seconds
_RUN_TIMEOUT = 120  # seconds


def python_venv(list_name: str = "requirements") -> Path:
    """Return the Python with the clients of that list."""
    requirements = SCRIPTS / "python" / f"{list_name}.txt"
    folder = programs.CACHE / f"clients-python{list_name.removeprefix('requirements')}"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    commands = [[sys.executable, "-m", "venv", str(folder)], [*pip, "-r", str(requirements)]]
    with install_lock():
        _install(folder, requirements, commands)
    return python


def node_modules() -> Path:
    """Return the folder with the clients for Node."""
    requirements, folder = SCRIPTS / "node" / "package.json", programs.CACHE / "clients-node"
    with install_lock():
        _install(folder, requirements, [_npm()])
    return folder


def codex(version: str) -> Path:
    """Return the Codex CLI of this version."""
    folder = programs.CACHE / f"codex-{version}"
    program = folder / "node_modules" / ".bin" / ("codex.cmd" if os.name == "nt" else "codex")
    with install_lock():
        if not program.exists():
            folder.mkdir(parents=True, exist_ok=True)
            # npm installs into the folder with this file.
            (folder / "package.json").write_text('{"private": true}')
            _run(folder, [*_npm(), "--no-save", f"@openai/codex@{version}"])
    return program


def _npm() -> list[str]:
    npm = shutil.which("npm") or skip_or_fail("npm, which installs clients for Node, is not installed: apt install npm")
    return [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"]


def _install(folder: Path, requirements: Path, commands: Sequence[Sequence[str]]) -> None:
    stamp = folder / "installed-from"
    if stamp.is_file() and stamp.read_bytes() == requirements.read_bytes():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # npm looks for it there.
    shutil.copy(requirements, folder)
    for command in commands:
        _run(folder, command)
    shutil.copy(requirements, stamp)


def _run(folder: Path, command: Sequence[str]) -> None:
    """Run one command of an installation; if it fails, skip the test with that command."""
    shell_command = f"(cd {folder.relative_to(ROOT)} && {' '.join(map(str, command))})"
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_INSTALL_TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        skip_or_fail(f"a client was not installed in time: {shell_command}")
    if done.returncode:
        skip_or_fail(f"a client cannot be installed: {shell_command}\n{done.stderr[-600:]}")


def run(command: Sequence[str | Path], environ: Mapping[str, str], home: Path) -> Any:
    """Run a script for Node and return its result: the last line that it prints, as JSON."""
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        command,
        cwd=home,
        env=_variables(home, environ),
        capture_output=True,
        text=True,
        timeout=_RUN_TIMEOUT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])


class Scripts:
    """Python scripts, each started once for an environment: importing takes seconds. Each scenario runs in a fork."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self._home, self._stack = home, stack
        self._errors = home / "stderr"
        self._started: dict[tuple[object, ...], subprocess.Popen[str]] = {}

    def run(self, python: Path, script: str, scenario: str, environ: Mapping[str, str]) -> Any:
        """Run a scenario and return its result: the last line that it prints, as JSON."""
        key = script, *sorted(environ.items())
        if key not in self._started:
            self._started[key] = self._stack.enter_context(self._running(python, script, environ))
        process = self._started[key]
        assert process.stdin
        assert process.stdout
        overtime = threading.Timer(_RUN_TIMEOUT, process.kill)
        overtime.start()
        print(scenario, file=process.stdin, flush=True)
        last = line = ""
        while not (line := process.stdout.readline()).startswith("ended ") and line:
            last = line
        overtime.cancel()
        assert line == "ended 0\n", f"{line}{last}\n{self._errors.read_text()[-4000:]}"
        return json.loads(last)

    @contextmanager
    def _running(self, python: Path, script: str, environ: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
        with (
            self._errors.open("a") as errors,
            subprocess.Popen(
                [python, SCRIPTS / "python" / script],
                cwd=self._home,
                env=_variables(self._home, environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            yield process
            process.kill()


def _variables(home: Path, environ: Mapping[str, str]) -> dict[str, str]:
    variables = {"PATH": os.environ["PATH"], "HOME": str(home), "OPENAI_API_KEY": KEY, "PYTHONWARNINGS": "ignore"}
    # Otherwise LiteLLM requests prices from GitHub whenever it starts.
    return {**variables, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **environ}


def as_proxy(proxy: Proxy) -> dict[str, str]:
    """Return the environment of a client that reaches api.openai.com through the proxy."""
    return {
        "HTTPS_PROXY": proxy.url,
        "SSL_CERT_FILE": str(proxy.ca),
        "NODE_EXTRA_CA_CERTS": str(proxy.ca),
        "NODE_USE_ENV_PROXY": "1",
    }


def dialogue(body: Mapping[str, Any]) -> list[str]:
    """Return the texts of user and model, in order."""
    return [text for role, text in messages(body) if role in ("user", "assistant")]


def messages(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the role and text of each message."""
    return [
        (item["role"], "".join(part["text"] for part in item["content"]))
        for item in body["input"]
        if item["type"] == "message"
    ]


def interleave(prompts: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Return prompts and answers in turn, without the last answer."""
    assert len(texts) == len(prompts)
    return [each for pair in zip(prompts, texts, strict=True) for each in pair][:-1]


def requests_of_unknown_client(
    requests: Sequence[Mapping[str, Any]], system: str | None = SYSTEM
) -> list[dict[str, Any]]:
    """Return the bodies of accepted requests; assert that they have the client's instructions and no bridge."""
    bodies: list[dict[str, Any]] = []
    for request in requests:
        assert request["status"] == 200, request
        body = request["body"]
        client_texts = [text for role, text in messages(body) if role != "assistant"] + [body["instructions"]]
        assert not [text for text in client_texts if "opencode" in text.lower() or "codex" in text.lower()]
        assert system is None or any(system in text for text in client_texts)
        assert "[result of an earlier tool call" not in str(body["input"])
        bodies.append(body)
    return bodies
