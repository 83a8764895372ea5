"""Which commands run on a Node that bypasses the proxy; the Node is a script that only prints a version."""

import sys
from pathlib import Path

import pytest

from codex_transform.launcher import bypass

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are POSIX shell scripts")


def program(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(0o700)
    return path


@pytest.fixture
def old(tmp_path: Path) -> dict[str, str]:
    """An environment whose Node is too old to read HTTPS_PROXY."""
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
        ("no version at all", False),
    ],
)
def test_versions_of_node_that_ignore_https_proxy_are_warned_of(version: str, warned: bool, tmp_path: Path) -> None:
    node = program(tmp_path, "node", f"#!/bin/sh\necho {version}\n")
    assert (bypass.node_warning([str(node), "x.js"], {"PATH": "/usr/bin:/bin"}) is not None) == warned


@pytest.mark.parametrize("name", ["npm", "npx", "pnpm", "yarn", "tsx", "bunx"])
def test_runners_of_node_are_recognized_by_name(name: str, tmp_path: Path, old: dict[str, str]) -> None:
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
def test_node_scripts_are_known_by_their_shebang(first: str, warned: bool, tmp_path: Path, old: dict[str, str]) -> None:
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
def test_scripts_that_start_a_native_program_are_fine(command: list[str], tmp_path: Path, old: dict[str, str]) -> None:
    for name in ("opencode", "codex", "npx"):
        program(tmp_path / "bin", name, "#!/usr/bin/env node\n")
    assert bypass.node_warning(command, old) is None


def test_a_node_that_does_not_print_its_version_in_time_is_not_warned_of(tmp_path: Path) -> None:
    node = program(tmp_path, "node", "#!/bin/sh\nexec sleep 20\n")
    assert bypass.node_warning([str(node)], {"PATH": "/usr/bin:/bin"}) is None


def test_the_node_behind_npms_batch_file_is_found(tmp_path: Path, old: dict[str, str]) -> None:
    program(tmp_path, "agent.js", "")
    shim = program(tmp_path, "agent.cmd", 'SET "_prog=node"\n"%_prog%" "%~dp0\\agent.js" %*\n')
    assert bypass.node_warning([str(shim)], old) is not None


@pytest.mark.parametrize(
    ("status", "own"), [(0, True), (1, True), (128, True), (126, False), (127, False), (130, False), (255, True)]
)
def test_exit_statuses_of_commands_that_may_have_sent_requests(status: int, own: bool) -> None:
    assert bypass.may_have_asked(status) is own
