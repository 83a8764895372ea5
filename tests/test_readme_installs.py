"""The pages' ways to install, each carried out in its own home and environment."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import readme
from support.needed import skip_or_fail
from support.readme import ROOT

from codex_transform import __version__

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

FOLDER = "Scripts" if os.name == "nt" else "bin"

# Debian's file of the certificate authorities that this machine trusts.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


class Machine:
    """A copy of the project, a home, and an environment that has pip, pipx and uv."""

    def __init__(self, top: Path) -> None:
        self.project, self.home, self.tools = top / "project", top / "home", top / "tools"
        self.home.mkdir()
        hidden = shutil.ignore_patterns("__pycache__")
        for name in ("codex_transform", "addon.py", "pyproject.toml", "README.md", "LICENSE"):
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.project / name, ignore=hidden)
            else:
                self.project.mkdir(exist_ok=True)
                shutil.copy(ROOT / name, self.project / name)
        subprocess.run([sys.executable, "-m", "venv", self.tools], check=True)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        path = [str(self.home / ".local" / "bin"), str(self.tools / FOLDER), os.environ["PATH"]]
        own = {
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "PATH": os.pathsep.join(path),
            "SHELL": "/bin/bash",
        }
        # Compiling all packages would take longer than installing them. For pip, 0 means not to compile.
        python = {"PIPX_DEFAULT_PYTHON": sys.executable, "UV_PYTHON": sys.executable, "PIP_NO_COMPILE": "0"}
        if AUTHORITIES.exists():
            # A network may have its own certificate authority, which uv does not use by default.
            python |= {"UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}
        return subprocess.run(
            command,
            shell=True,
            cwd=self.project,
            env={**os.environ, **own, **python},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )

    def has(self, program: str) -> bool:
        """Whether a terminal would find the program."""
        folders = (self.home / ".local" / "bin", self.tools / FOLDER)
        return any(shutil.which(program, path=str(folder)) for folder in folders)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    done = machine.run("pip install --quiet pipx uv")
    if done.returncode:
        skip_or_fail(f"pipx and uv cannot be installed: `pip install pipx uv` says {done.stderr.strip()[-200:]}")
    return machine


@pytest.mark.parametrize("command", readme.INSTALLS)
def test_each_way_to_install_and_remove_works(command: str, machine: Machine) -> None:
    """Each is removed again before the next one."""
    done = machine.run(command)
    assert done.returncode == 0, done.stdout + done.stderr
    version = machine.run("codex-transform --version")
    assert version.stdout == f"codex-transform, version {__version__}\n", version.stderr
    assert machine.has("mitmdump") == (command not in ("pipx install .", "uv tool install ."))
    tool = command.split()[0]
    uninstall = {
        "pipx": readme.REMOVES,
        "uv": "uv tool uninstall codex-transform",
        "pip": "pip uninstall -y codex-transform",
    }
    done = machine.run(uninstall[tool])
    assert done.returncode == 0, done.stdout + done.stderr
    assert not machine.has("codex-transform")


@pytest.mark.parametrize("command", readme.PATHS)
def test_commands_for_the_path_succeed(command: str, machine: Machine) -> None:
    done = machine.run(command)
    assert done.returncode == 0, done.stdout + done.stderr
