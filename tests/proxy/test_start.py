"""What the addon's start must not load: people would wait for it, and every proxy would hold it."""

import subprocess
import sys

import pytest
from support.running import ROOT

LOADED = "import sys, mitmproxy.tools.main, addon; print(*sys.modules, sep='\\n')"


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules that are there once mitmproxy and the addon are."""
    run = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(run.stdout.split())


def test_what_only_the_command_line_needs(loaded: set[str]) -> None:
    assert not {name for name in loaded if name.startswith(("codex_transform.cli.", "codex_transform.doctor"))}


def test_what_only_somebody_who_looks_needs(loaded: set[str]) -> None:
    assert "codex_transform.proxy.addons.content_view" in loaded
    assert not {name for name in loaded if name.startswith("codex_transform.inspect")}


def test_what_only_tests_and_the_demo_need(loaded: set[str]) -> None:
    assert not {name for name in loaded if name.startswith("codex_transform.sandbox")}
