"""The end-to-end tests once more, with every optional patch left out."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.running import ROOT

from codex_transform.proxy.patches import PATCHES

pytestmark = pytest.mark.gate

TESTS = ("test_proxy.py", "test_cuts.py", "test_drain.py")


def test_without_optional_patches_the_other_tests_still_pass(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "support" / "hide_names.py", tmp_path / "sitecustomize.py")
    hidden = ",".join(patch.needs[-1] for patch in PATCHES if not patch.required)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *(f"tests/e2e/{name}" for name in TESTS),
            "-m",
            "not gate or mitmproxy",
            # The SDK reads the bytes that the test beside it has looked at.
            "-k",
            "not in_the_sdk",
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "CODEX_TEST_HIDE": hidden},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert " passed" in done.stdout
