"""The log of `run`'s proxy, where users look when OpenCode waits without a message."""

import json
import sys

from support.commands import Person
from support.running import ROOT

from codex_transform.sandbox import Sandbox

ASKS = f"{sys.executable} {ROOT / 'tests' / 'support' / 'urllib_client.py'} 2>/dev/null"


def test_the_log_has_calls_and_errors_but_no_connections(ready: Person, sandbox: Sandbox) -> None:
    sandbox.misbehave("plain-500", times=1)
    done = ready.run("run", "sh", "-c", f"{ASKS}; {ASKS}")
    assert done.returncode == 0, done.stderr
    assert "] gpt-5.1 · " in ready.logs
    assert "500 server_error: Internal Server Error" in ready.logs
    for noise in ("client connect", "server connect", "<<"):
        assert noise not in ready.logs


def test_a_client_that_does_not_trust_the_proxy_is_logged(ready: Person) -> None:
    without = f"SSL_CERT_FILE=/dev/null {ASKS}"
    assert ready.run("run", "sh", "-c", without).returncode != 0
    assert "does not trust the proxy's certificate" in ready.logs


def test_run_works_with_a_json_log(ready: Person) -> None:
    ready.variables["CODEX_LOG_FORMAT"] = "json"
    done = ready.run("run", "sh", "-c", ASKS)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in ready.logs.splitlines() if line.startswith("{")]
    assert [line["model"] for line in lines if "outcome" in line] == ["gpt-5.1"]
    assert "no request came through the proxy" in ready.run("run", "true").stderr
