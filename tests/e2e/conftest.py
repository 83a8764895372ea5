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
    """An endpoint for this test only."""
    with sandboxes.running() as running:
        yield running


@pytest.fixture
def proxy(tmp_path: Path, sandbox: Sandbox) -> Iterator[Callable[..., Proxy]]:
    """A function that starts mitmdump for that endpoint; its arguments are those of `running.mitmdump`."""
    with ExitStack() as stack:
        yield lambda *options, **environ: stack.enter_context(
            mitmdump(tmp_path / "proxy-home", sandbox, *options, **environ)
        )


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    """One endpoint for all tests of a module that do not change it."""
    with sandboxes.running() as running:
        yield running


@pytest.fixture(scope="module")
def quiet_proxy(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[Proxy]:
    """One mitmdump for all tests of a module that need no settings of their own."""
    with mitmdump(tmp_path_factory.mktemp("shared") / "home", shared_sandbox) as running:
        yield running


@pytest.fixture
def opencode(tmp_path: Path) -> Callable[..., OpenCode]:
    """A function that makes an OpenCode of a version; without it the test is skipped with the install command."""

    def make(version: str = programs.OPENCODE) -> OpenCode:
        program = needed.opencode(version)
        home, project = tmp_path / "opencode-home", tmp_path / "project"
        home.mkdir(exist_ok=True)
        project.mkdir(exist_ok=True)
        if git := shutil.which("git"):
            subprocess.run([git, "init", "--quiet", project], check=True)
        return OpenCode(program, home, project)

    return make
