"""The real Codex CLI, which opens a WebSocket first."""

import os
import subprocess
from pathlib import Path

import pytest
from support.real_clients import codex
from support.running import mitmdump

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate


def test_the_codex_cli_works_over_its_websocket(tmp_path: Path, sandbox: Sandbox) -> None:
    program = codex("0.171.0")
    home, project = tmp_path / "codex", tmp_path / "project"
    home.mkdir()
    project.mkdir()
    with mitmdump(tmp_path / "proxy", sandbox) as proxy:
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "CODEX_HOME": str(home),
            "OPENAI_API_KEY": "sk-dummy-of-the-client-0000",
            "CODEX_API_KEY": "sk-dummy-of-the-client-0000",
            "HTTPS_PROXY": proxy.url,
            "CODEX_CA_CERTIFICATE": str(proxy.ca),
            "SSL_CERT_FILE": str(proxy.ca),
            "RUST_LOG": "codex_api=info,codex_core=info,warn",
        }
        done = subprocess.run(
            [program, "exec", "--skip-git-repo-check", "-m", "gpt-5.5", "run echo hello-there"],
            cwd=project,
            env=environ,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    assert done.returncode == 0, done.stderr
    assert "hello-there" in done.stdout
    assert "successfully connected to Responses WebSocket" in done.stderr
    lines = [line for line in done.stderr.lower().splitlines() if "websocket" in line]
    assert not [line for line in lines if "falling back" in line or "error" in line or "warn" in line]
    assert "101 Switching Protocols" in proxy.log
    assert "<< 426" not in proxy.log
    asked, answered = (entry["body"]["input"] for entry in sandbox.requests)
    assert [item["type"] for item in answered if item not in asked][-1] == "function_call_output"
