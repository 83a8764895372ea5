"""The real programs: mitmdump with the addon, the sandbox endpoint, OpenCode. Each ends with its test."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import programs
import pytest
from running import LISTENING, OpenCode, Proxy

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox

ROOT = Path(__file__).resolve().parent.parent.parent
MITMDUMP = Path(sys.executable).with_name("mitmdump.exe" if os.name == "nt" else "mitmdump")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandboxes.running() as running:
        yield running


@pytest.fixture
def proxy(tmp_path: Path, sandbox: Sandbox) -> Iterator[Callable[..., Proxy]]:
    """Starts mitmdump with the addon; keyword arguments replace variables of its environment, None removes one."""
    started: list[tuple[Proxy, threading.Thread]] = []

    def start(*options: str, **environ: str | None) -> Proxy:
        home = tmp_path / f"proxy-home-{len(started)}"
        home.mkdir(exist_ok=True)
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "CODEX_BASE_URL": sandbox.url,
            "CODEX_API_KEY": sandbox.key,
            # Nobody answers there: instructions come from the fallback, as on a network without GitHub.
            "CODEX_CATALOG_URL": "http://127.0.0.1:9/none",
            "PYTHONUNBUFFERED": "1",
            **environ,
        }
        process = subprocess.Popen(
            [str(MITMDUMP), "-s", str(ROOT / "addon.py"), "--listen-host", "127.0.0.1", "--listen-port", "0"]
            + list(options),
            env={name: value for name, value in variables.items() if value is not None},
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        running = Proxy(process, home)
        reader = threading.Thread(target=running.read, daemon=True)
        reader.start()
        started.append((running, reader))
        running.port = int(running.wait_for(LISTENING.pattern)[1])
        return running

    yield start
    for running, reader in started:
        running.process.send_signal(signal.SIGINT)
        try:
            running.process.wait(20)
        except subprocess.TimeoutExpired:
            running.process.kill()
            pytest.fail(f"mitmdump did not end on SIGINT:\n{running.log}")
        reader.join(5)
        assert "Traceback" not in running.log, running.log
        assert "has crashed" not in running.log, running.log
        assert sandbox.key not in running.log, "the key is in the log"


@pytest.fixture
def opencode(tmp_path: Path) -> Callable[..., OpenCode]:
    """Makes an OpenCode of a version; skips with the command that installs it, but fails in CI."""

    def make(version: str = programs.OPENCODE) -> OpenCode:
        program = programs.opencode(version)
        if program is None:
            why = f"OpenCode {version} is not there: {programs.install_command(version)}"
            if os.environ.get("CI") == "true":
                pytest.fail(why)
            pytest.skip(why)
        home, project = tmp_path / "opencode-home", tmp_path / "project"
        home.mkdir(exist_ok=True)
        project.mkdir(exist_ok=True)
        if git := shutil.which("git"):
            subprocess.run([git, "init", "--quiet", project], check=True)
        return OpenCode(program, home, project)

    return make
