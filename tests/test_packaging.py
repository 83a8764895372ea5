"""The packages: built, inspected, and installed in an environment that has nothing else of the project."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

import pytest
from support.running import CLIENT, ROOT, serving

from codex_transform import __version__
from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate


class Packages(NamedTuple):
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    """The sdist, and the wheel that was built from it, which shows that the sdist is complete."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Packages(wheel, sdist)


class Installed:
    """An environment with the wheel, the dependencies of the tests, and its own home."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.home, self.environment = folder / "home", folder / "environment"
        self.home.mkdir()
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", self.environment], check=True)
        self.programs = self.environment / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.programs / ("python.exe" if os.name == "nt" else "python")
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--no-index", "--no-deps"]
        subprocess.run([*pip, str(wheel)], capture_output=True, timeout=120, check=True)
        site = sysconfig.get_path("purelib", vars={"base": str(self.environment), "platbase": str(self.environment)})
        Path(site, "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    def environ(self, sandbox: Sandbox | None = None) -> dict[str, str]:
        own = {"HOME": str(self.home), "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}"}
        if sandbox:
            own |= {"CODEX_BASE_URL": sandbox.url, "CODEX_API_KEY": sandbox.key}
        return own | {"CODEX_CATALOG_URL": "http://127.0.0.1:9/none", "PYTHONUNBUFFERED": "1"}

    def run(self, *command: str, sandbox: Sandbox | None = None) -> str:
        done = subprocess.run(
            command,
            env=self.environ(sandbox),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def installed(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(tmp_path_factory.mktemp("installed"), packages.wheel)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandboxes.running() as running:
        yield running


def test_the_wheel_has_exactly_the_package(packages: Packages) -> None:
    with zipfile.ZipFile(packages.wheel) as archive:
        names = set(archive.namelist())
        metadata = message_from_bytes(archive.read(f"codex_transform-{__version__}.dist-info/METADATA"))
    package = ROOT / "codex_transform"
    expected = {
        f"codex_transform/{file.relative_to(package).as_posix()}"
        for file in package.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    contents = {name for name in names if ".dist-info/" not in name}
    assert contents == expected | {"codex_transform/addon.py"}
    for name in ("py.typed", "data/models.json", "data/fallback.md"):
        assert f"codex_transform/{name}" in contents
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "MIT"
    needed = {re.split("[<>=]", each)[0] for each in metadata.get_all("Requires-Dist", ()) if "extra" not in each}
    assert needed == {
        *("backports-zstd", "brotli", "certifi", "click", "cryptography", "h11", "h2"),
        *("mitmproxy", "msgspec", "packaging", "prometheus-client", "pydantic", "pydantic-core", "python-json-logger"),
        *("redis", "wcwidth", "wsproto"),
    }


def test_the_sdist_has_the_tests_and_no_caches(packages: Packages) -> None:
    with tarfile.open(packages.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "addon.py",
        "pyproject.toml",
        "LICENSE",
        "README.md",
        "tests/test_packaging.py",
        "scripts/start.py",
    } <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", ".cache", ".hypothesis"))]


def test_the_command_runs(installed: Installed) -> None:
    assert installed.run("codex-transform", "--version") == f"codex-transform, version {__version__}\n"
    assert installed.run(str(installed.python), "-m", "codex_transform", "--version").endswith(f"{__version__}\n")
    assert "gpt-5.3-codex" in installed.run("codex-transform", "models")
    addon = Path(installed.run("codex-transform", "addon-path").strip())
    assert addon.is_file()
    assert addon.is_relative_to(installed.environment)


def test_a_command_behind_its_proxy(installed: Installed, sandbox: Sandbox) -> None:
    assert "[sandbox]" in installed.run("codex-transform", "run", *CLIENT, sandbox=sandbox)


def test_mitmdump_runs_the_addon(installed: Installed, sandbox: Sandbox) -> None:
    """As `mitmdump -s "$(codex-transform addon-path)"`, but mitmdump itself is in another environment here."""
    addon = installed.run("codex-transform", "addon-path").strip()
    mitmdump = "from mitmproxy.tools.main import mitmdump; mitmdump()"
    listening = ("--listen-host", "127.0.0.1", "--listen-port", "0")
    command: list[str | Path] = [installed.python, "-P", "-c", mitmdump, "-s", addon, *listening]
    with serving(command, installed.environ(sandbox), installed.home, installed.home) as proxy:
        status, _, body = proxy.send({"model": "gpt-5.1", "input": "say hello"})
    assert status == 200, body
    assert b"[sandbox]" in body
