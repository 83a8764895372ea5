"""Modules that a start does not import: they would delay the first request, and most starts do not need them."""

import subprocess
import sys

import pytest
from support.running import ROOT

# Not needed for what `codex-transform` prints without reading settings, or for completion.
_EXPENSIVE = ("mitmproxy", "pydantic", "pydantic_core", "wcwidth", "http.client", "sqlite3")


def modules_after(code: str) -> set[str]:
    """The modules that a new Python has loaded after running `code`."""
    code += "\nimport sys\nprint()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["run", "--help"]], ids=" ".join)
def test_commands_that_only_print_load_little(arguments: list[str]) -> None:
    modules = modules_after(f"from codex_transform.cli import main\nmain({arguments!r}, standalone_mode=False)")
    assert "codex_transform.cli" in modules
    assert not modules & set(_EXPENSIVE)


def test_run_begins_to_import_mitmproxy_before_it_reads_settings() -> None:
    modules = modules_after("import codex_transform.cli.run")
    assert "codex_transform.launcher.loading" in modules
    assert not modules & {
        *_EXPENSIVE,
        "ssl",
        "codex_transform.launcher.proxy_process",
        "codex_transform.settings.loader",
        "codex_transform.opencode.config",
    }


def test_a_command_that_reads_settings_loads_nothing_of_the_proxy() -> None:
    modules = modules_after("import codex_transform.cli.behind_proxy")
    assert "codex_transform.settings.loader" in modules
    assert not modules & {"mitmproxy", "pydantic", "wcwidth", "codex_transform.probe", "codex_transform.response"}


def test_the_addon_loads_only_what_requests_need() -> None:
    modules = modules_after("import addon")
    assert "codex_transform.proxy.addons" in modules
    assert not modules & {
        "codex_transform.cli",
        "codex_transform.inspect",
        "codex_transform.sandbox",
        "codex_transform.usage.metrics",
        "prometheus_client",
        "pydantic",
        "pythonjsonlogger",
        "redis",
        "wcwidth",
    }
