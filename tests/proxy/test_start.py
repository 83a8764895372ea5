"""Modules that the addon must not load at its start: they would cost every proxy time and memory."""

import subprocess
import sys

import pytest
from support.running import ROOT

LOADED = "import sys, mitmproxy.tools.main, addon; print(*sys.modules, sep='\\n')"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules that are loaded after importing mitmproxy and the addon."""
    run = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(run.stdout.split())


def test_modules_of_the_command_line_are_not_loaded(loaded: set[str]) -> None:
    assert not {name for name in loaded if name.startswith(("codex_transform.cli.", "codex_transform.doctor"))}


def test_modules_for_viewing_flows_are_not_loaded(loaded: set[str]) -> None:
    assert "codex_transform.proxy.addons.content_view" in loaded
    assert not {name for name in loaded if name.startswith("codex_transform.inspect")}


def test_the_sandbox_is_not_loaded(loaded: set[str]) -> None:
    assert not {name for name in loaded if name.startswith("codex_transform.sandbox")}
