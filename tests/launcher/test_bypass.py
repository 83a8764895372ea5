"""Which commands run on a Node that goes past the proxy; the Node is a program that only says its version."""

import sys
from pathlib import Path

import pytest

from codex_transform.launcher import bypass

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are scripts as POSIX has them")


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o700)
    return path


@pytest.fixture
def old(tmp_path: Path) -> dict[str, str]:
    """An environment with a Node that is too old."""
    program(tmp_path / "bin", "node", "#!/bin/sh\necho v20.20.2\n")
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("version", "warned"),
    [
        ("v18.19.0", True),
        ("v22.20.0", True),
        ("v22.21.0", False),
        ("v23.11.1", True),
        ("v24.0.0", False),
        ("v26.1.0-nightly", False),
        ("nothing of the kind", False),
    ],
)
def test_which_versions_are_too_old(version: str, warned: bool, tmp_path: Path) -> None:
    node = program(tmp_path, "node", f"#!/bin/sh\necho {version}\n")
    assert (bypass.node_warning([str(node), "x.js"], {"PATH": "/usr/bin:/bin"}) is not None) == warned


@pytest.mark.parametrize("name", ["npm", "npx", "pnpm", "yarn", "tsx", "bunx"])
def test_what_runs_on_node_by_its_name(name: str, tmp_path: Path, old: dict[str, str]) -> None:
    program(tmp_path / "bin", name, "#!/bin/sh\n")
    said = bypass.node_warning([name, "ask"], old)
    assert said is not None
    assert said.startswith("Node 20.20 ")


@pytest.mark.parametrize(
    ("first", "warned"),
    [
        ("#!/usr/bin/env node", True),
        ("#! /usr/bin/env -S node --no-warnings", True),
        ("#!/usr/bin/env -S npx tsx", True),
        ("#!/bin/sh", False),
        ("#!/usr/bin/env nodemon", False),
        ("node", False),
        ("\x7fELF\x02", False),
    ],
)
def test_what_runs_on_node_by_its_first_line(first: str, warned: bool, tmp_path: Path, old: dict[str, str]) -> None:
    script = program(tmp_path, "agent", f"{first}\n")
    assert (bypass.node_warning([str(script)], old) is not None) == warned


@pytest.mark.parametrize(
    "command",
    [
        ["opencode"],
        ["codex", "exec"],
        ["npx", "opencode-ai@latest"],
        ["npx", "-y", "@openai/codex"],
        ["no-such-program"],
    ],
)
def test_what_only_starts_another_program_is_let_be(command: list[str], tmp_path: Path, old: dict[str, str]) -> None:
    for name in ("opencode", "codex", "npx"):
        program(tmp_path / "bin", name, "#!/usr/bin/env node\n")
    assert bypass.node_warning(command, old) is None


def test_a_node_that_does_not_answer(tmp_path: Path) -> None:
    node = program(tmp_path, "node", "#!/bin/sh\nexec sleep 20\n")
    assert bypass.node_warning([str(node)], {"PATH": "/usr/bin:/bin"}) is None


def test_npms_batch_file(tmp_path: Path, old: dict[str, str]) -> None:
    """As Windows has it; `windows_program` finds the Node behind it."""
    program(tmp_path, "agent.js", "")
    shim = program(tmp_path, "agent.cmd", 'SET "_prog=node"\n"%_prog%" "%~dp0\\agent.js" %*\n')
    assert bypass.node_warning([str(shim)], old) is not None


@pytest.mark.parametrize(
    ("status", "own"), [(0, True), (1, True), (128, True), (126, False), (127, False), (130, False), (255, True)]
)
def test_which_ends_are_a_commands_own(status: int, own: bool) -> None:
    assert bypass.may_have_asked(status) is own
