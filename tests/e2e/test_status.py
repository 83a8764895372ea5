"""`codex-transform status` about the real mitmdump: what it shows of endpoints, calls and people, and to whom."""

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from support.ports import reserved
from support.running import ROOT, Proxy, mitmdump
from support.waiting import eventually

from codex_transform import sandbox as sandboxes
from codex_transform.people import register
from codex_transform.people.person import Limits, new_person
from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "prompt_cache_key": "c"}

Start = Callable[..., Proxy]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda *arguments, **environ: stack.enter_context(mitmdump(tmp_path, *arguments, **environ))


def status(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "codex_transform", "status", *arguments],
        env={"HOME": str(home), "PATH": "", "PYTHONPATH": str(ROOT)},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def facts(home: Path) -> list[dict[str, Any]]:
    found = json.loads(status(home, "--json").stdout)["proxies"]
    assert isinstance(found, list)
    return found


def files(home: Path) -> list[Path]:
    return list((home / ".opencode" / "codex-proxies").glob("*.json"))


def test_nothing_runs(tmp_path: Path) -> None:
    done = status(tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "codex-transform start" in done.stderr
    assert facts(tmp_path) == []


def test_a_proxy_its_endpoint_and_its_calls(tmp_path: Path, start: Start, sandbox: Sandbox) -> None:
    proxy = start(sandbox)
    assert eventually(lambda: files(tmp_path))
    (file,) = files(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert proxy.send(b"[]")[0] == 400
    assert proxy.send(HELLO)[0] == 200
    assert eventually(lambda: facts(tmp_path)[0]["recent"])
    assert [call["model"] for call in facts(tmp_path)[0]["recent"]] == ["gpt-5.1-codex"]
    assert facts(tmp_path)[0]["refused"] == {"bad_request": 1}
    done = status(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"127.0.0.1:{proxy.port} · version" in done.stdout
    assert f"up · {sandbox.url}/backend-api/codex/responses" in done.stdout
    assert "gpt-5.1-codex" in done.stdout
    sandbox.misbehave("usage-limit-headers", times=1)
    assert proxy.send(HELLO)[0] == 429
    assert eventually(lambda: status(tmp_path).returncode == 1)
    (one,) = facts(tmp_path)
    (endpoint,) = one["endpoints"]
    assert endpoint["state"] == "limited"
    assert endpoint["seconds"] > 0
    windows = {"x-codex-primary-used-percent", "x-codex-primary-window-minutes", "x-codex-primary-reset-after-seconds"}
    assert endpoint["limits"].keys() == windows  # the sandbox sends other `x-codex-` fields too
    done = status(tmp_path)
    assert "limited for " in done.stdout
    assert "no endpoint that accepts calls" in done.stderr
    for text in (done.stdout, json.dumps(one)):
        assert sandbox.key not in text


def test_a_limit_is_over_once_the_endpoint_accepts_a_call(tmp_path: Path, start: Start, sandbox: Sandbox) -> None:
    proxy = start(sandbox)
    assert proxy.send(HELLO, x_sandbox_misbehave="usage-limit-429")[0] == 429
    assert facts(tmp_path)[0]["endpoints"][0]["state"] == "limited"
    assert proxy.send(HELLO)[0] == 200
    assert facts(tmp_path)[0]["endpoints"][0]["state"] == "up"
    assert status(tmp_path).returncode == 0


def test_why_calls_went_where_they_went(tmp_path: Path, start: Start) -> None:
    with sandboxes.running() as first, sandboxes.running() as second:
        file = tmp_path / ".opencode" / "openai-codex-auth-config.json"
        file.parent.mkdir()
        entries = [
            {"name": "first", "baseURL": first.url, "apiKey": first.key},
            {"name": "second", "baseURL": second.url, "apiKey": second.key, "priority": 1},
        ]
        file.write_text(json.dumps({"endpoints": entries}))
        file.chmod(0o600)
        proxy = start(first, CODEX_BASE_URL="", CODEX_API_KEY="")
        assert proxy.send(HELLO)[0] == 200
        first.misbehave("usage-limit-headers", times=1)
        assert proxy.send(HELLO)[0] == 200
        assert proxy.send(HELLO)[0] == 200
        assert eventually(lambda: len(facts(tmp_path)[0]["recent"]) == 3)
        (one,) = facts(tmp_path)
        assert [(call["endpoint"], call["reason"]) for call in one["recent"]] == [
            ("second", "this conversation already uses it"),
            ("second", "after first failed"),
            ("first", "lowest priority number of the endpoints that are up"),
        ]
        assert "sent to second" in one["recent"][1]["attempts"][0]
        assert {each["name"]: each["state"] for each in one["endpoints"]} == {"first": "limited", "second": "up"}
        done = status(tmp_path)
        assert done.returncode == 0
        assert "second (after first failed)" in done.stdout


def test_an_open_breaker(tmp_path: Path, start: Start) -> None:
    with reserved() as port, sandboxes.running() as sandbox:
        proxy = start(sandbox, CODEX_BASE_URL=f"http://127.0.0.1:{port}", CODEX_RETRIES="0")
        for _ in range(3):
            assert proxy.send(HELLO)[0] == 502
        assert eventually(lambda: facts(tmp_path)[0]["endpoints"][0]["state"] == "down")
        assert "down, breaker open for " in status(tmp_path).stdout


def test_people(tmp_path: Path, start: Start, sandbox: Sandbox) -> None:
    person, key = new_person("alice", Limits(requests_per_minute=5, models=("gpt-5.1-codex",)))
    register.save(tmp_path / ".opencode" / "codex-clients.json", [person])
    proxy = start(sandbox)
    assert proxy.send(HELLO, authorization=f"Bearer {key}")[0] == 200
    assert eventually(lambda: facts(tmp_path)[0]["recent"])
    (alice,) = facts(tmp_path)[0]["people"]
    assert (alice["name"], alice["requests"], alice["requests_per_minute"]) == ("alice", 1, 5)
    assert alice["tokens_today"] == alice["tokens_this_month"] > 0
    done = status(tmp_path)
    assert "1 request of 5 in the last minute" in done.stdout
    assert key not in done.stdout
    assert proxy.send(HELLO, authorization="Bearer sk-other")[0] == 401
    assert facts(tmp_path)[0]["refused"] == {"unknown_key": 1}
    # Nobody gets there by the proxy itself.
    port = json.loads(files(tmp_path)[0].read_text())["port"]
    through = HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    through.request("GET", f"http://127.0.0.1:{port}/status", headers={"Authorization": f"Bearer {key}"})
    assert through.getresponse().status == 403
    through.close()


def test_two_proxies_and_one_that_was_killed(tmp_path: Path, start: Start, sandbox: Sandbox) -> None:
    first = start(sandbox)
    with mitmdump(tmp_path, sandbox) as second:
        assert eventually(lambda: len(files(tmp_path)) == 2)
        ports = sorted(int(each["addresses"][0].rpartition(":")[2]) for each in facts(tmp_path))
        assert ports == sorted((first.port, second.port))
    assert len(files(tmp_path)) == 1, "one that ends leaves no file"
    first.process.send_signal(signal.SIGKILL)
    first.process.wait(20)
    assert len(files(tmp_path)) == 1
    assert status(tmp_path).returncode == 1
    assert not files(tmp_path)


def test_each_proxy_tells_what_all_have_counted(tmp_path: Path, start: Start, sandbox: Sandbox) -> None:
    person, key = new_person("alice", Limits(requests_per_minute=40))
    register.save(tmp_path / ".opencode" / "codex-clients.json", [person])
    for proxy in [start(sandbox, CODEX_STATE="disk") for _ in range(2)]:
        for _ in range(2):
            assert proxy.send(HELLO, authorization=f"Bearer {key}")[0] == 200
    assert eventually(lambda: [each["people"][0]["requests"] for each in facts(tmp_path)] == [4, 4])


def test_a_home_that_cannot_be_written_to(tmp_path: Path, start: Start, sandbox: Sandbox) -> None:
    (tmp_path / ".opencode").mkdir()
    (tmp_path / ".opencode" / "codex-proxies").write_text("in the way")
    proxy = start(sandbox)
    proxy.wait_for("`codex-transform status` does not find this proxy")
    assert proxy.send(HELLO)[0] == 200
    assert status(tmp_path).returncode == 1
