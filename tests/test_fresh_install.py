"""scripts/fresh_install.py: how it reports a release that breaks something."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import environment
import fresh_install
import pytest
from support.running import ROOT


def test_the_lowest_releases_are_those_of_pyproject() -> None:
    assert "mitmproxy==11.0.2" in environment.lowest_releases()
    assert "backports.zstd==1.0; python_version < '3.14'" in environment.lowest_releases()
    assert all("==" in constraint for constraint in environment.lowest_releases())


def test_only_newer_releases_are_suspects() -> None:
    tried = dict(line.split("==") for line in fresh_install.TRIED.read_text("utf-8").split())
    assert "cause is in this project" in fresh_install.suspects(tried | {"h11": "0.14.0"})
    message = fresh_install.suspects(tried | {"mitmproxy": "99.0", "unheard-of": "1.0"})
    assert f"mitmproxy 99.0 (tried: {tried['mitmproxy']})" in message
    assert "unheard-of 1.0 (tried: none)" in message
    assert "h11" not in message


@pytest.mark.gate
def test_a_release_that_breaks_something_is_named(tmp_path: Path) -> None:
    """The certifi that pip finds is a release that cannot be imported."""
    name = "certifi-2099.1.1"
    with zipfile.ZipFile(tmp_path / f"{name}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("certifi/__init__.py", "raise ImportError('broken')\n")
        wheel.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\nName: certifi\nVersion: 2099.1.1\n")
        wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{name}.dist-info/RECORD", "")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    command = [sys.executable, str(ROOT / "scripts" / "fresh_install.py"), "--only", "newest", "--python", version]
    done = subprocess.run(
        command,
        env={**os.environ, "PIP_FIND_LINKS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "certifi 2099.1.1 (tried: " in done.stdout
    assert "broken" in done.stdout
