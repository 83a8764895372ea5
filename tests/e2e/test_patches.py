"""mitmproxy without names that the patches need: the proxy works, or does not start, and logs why."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.running import MITMDUMP, ROOT, mitmdump

from codex_transform.proxy.patches import PATCHES, Patch
from codex_transform.sandbox import Sandbox

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}

OPTIONAL = [patch for patch in PATCHES if not patch.required]
REQUIRED = [patch for patch in PATCHES if patch.required]


def hiding(folder: Path, *names: str) -> dict[str, str]:
    """Return the environment of a Python without these names."""
    folder.mkdir()
    shutil.copy(ROOT / "tests" / "support" / "hide_names.py", folder / "sitecustomize.py")
    return {"PYTHONPATH": str(folder), "CODEX_TEST_HIDE": ",".join(names)}


def answered(tmp_path: Path, sandbox: Sandbox, *patches: Patch) -> str:
    """Send a call through a proxy without these patches, and return the log; the key is only on the wire."""
    environ = hiding(tmp_path / "site", *(patch.needs[-1] for patch in patches))
    with mitmdump(tmp_path / "home", sandbox, **environ) as proxy:
        status, _, body = proxy.send(HELLO)
        assert status == 200, body
        assert b"response.completed" in body
        assert len(sandbox.requests) == 1
        return proxy.log


@pytest.mark.parametrize("patch", OPTIONAL, ids=lambda patch: patch.name)
def test_an_optional_patch_is_left_out(tmp_path: Path, sandbox: Sandbox, patch: Patch) -> None:
    log = answered(tmp_path, sandbox, patch)
    (line,) = (line for line in log.splitlines() if "left out" in line)
    assert "mitmproxy lacks " in line
    assert f"{patch.needs[-1]}: without the patch {patch.name}" in line


def test_all_optional_patches_are_left_out(tmp_path: Path, sandbox: Sandbox) -> None:
    assert answered(tmp_path, sandbox, *OPTIONAL).count("(left out; tried with mitmproxy") == len(OPTIONAL)


@pytest.mark.parametrize("patch", REQUIRED, ids=lambda patch: patch.name)
def test_without_a_required_patch_the_proxy_does_not_start(tmp_path: Path, patch: Patch) -> None:
    """The names of an optional one are missing too, as in a release that moved several."""
    missing = patch.needs[-1]
    environ = hiding(tmp_path / "site", missing, OPTIONAL[0].needs[-1])
    done = subprocess.run(
        [MITMDUMP, "-s", ROOT / "addon.py", "--listen-host", "127.0.0.1", "--listen-port", "0"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert f"mitmproxy lacks {missing}: without the patch {patch.name}" in said
    assert "Fix: install a release of mitmproxy from" in said
    assert "Traceback" not in said
