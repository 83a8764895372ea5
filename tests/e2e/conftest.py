"""The real programs: mitmdump with the addon, the sandbox endpoint, OpenCode. Each ends with its test."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import programs
import pytest
from support import needed
from support.running import OpenCode, Proxy, mitmdump

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An endpoint of the test's own."""
    with sandboxes.running() as running:
        yield running


@pytest.fixture
def proxy(tmp_path: Path, sandbox: Sandbox) -> Iterator[Callable[..., Proxy]]:
    """Starts mitmdump for that endpoint; takes what `running.mitmdump` takes."""
    with ExitStack() as stack:
        yield lambda *options, **environ: stack.enter_context(
            mitmdump(tmp_path / "proxy-home", sandbox, *options, **environ)
        )


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """One endpoint for all tests of a module that leave it as it is."""
    with sandboxes.running() as running:
        yield running


@pytest.fixture(scope="module")
def quiet_proxy(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[Proxy]:
    """One mitmdump for all tests of a module that need no settings of their own."""
    with mitmdump(tmp_path_factory.mktemp("shared") / "home", shared_sandbox) as running:
        yield running


@pytest.fixture
def opencode(tmp_path: Path) -> Callable[..., OpenCode]:
    """Makes an OpenCode of a version; skips with the command that installs it, but fails in CI."""

    def make(version: str = programs.OPENCODE) -> OpenCode:
        program = needed.opencode(version)
        home, project = tmp_path / "opencode-home", tmp_path / "project"
        home.mkdir(exist_ok=True)
        project.mkdir(exist_ok=True)
        if git := shutil.which("git"):
            subprocess.run([git, "init", "--quiet", project], check=True)
        return OpenCode(program, home, project)

    return make
