"""Nothing can be saved: without a home, without permission, on a full disk. And two proxies share a home."""

import json
import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.raw_host import NEW_PATH, Answer, catalogue, raw_host
from support.running import MITMDUMP, Proxy, mitmdump

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}
LOGGING = {"ENABLE_PLUGIN_REQUEST_LOGGING": "1"}

Start = Callable[..., Proxy]


def served(proxy: Proxy) -> None:
    status, _, body = proxy.send(HELLO)
    assert status == 200, body
    assert b"response.completed" in body


def wrapped(folder: Path, line: str) -> Path:
    """Return a program that runs mitmdump with this command line before it."""
    if os.name == "nt":
        pytest.skip("a POSIX shell is needed")
    program = folder / "wrapped"
    program.write_text(f'#!/bin/sh\n{line} "{MITMDUMP}" "$@"\n')
    program.chmod(0o755)
    return program


def test_calls_work_while_the_disk_is_full(tmp_path: Path, sandbox: Sandbox) -> None:
    """Files of more than a few kilobytes cannot be written: there is no log and no cache, nor half of one."""
    with raw_host() as host:
        host.answers[f"main/{NEW_PATH}"] = Answer(catalogue("gpt-5.1-codex", text="long " * 20_000))
        program = wrapped(tmp_path, "ulimit -f 16; exec")
        # Python itself would save half a compiled module.
        environ = {**LOGGING, "CODEX_CATALOG_URL": host.root, "PYTHONDONTWRITEBYTECODE": "1"}
        with mitmdump(tmp_path / "home", sandbox, program=program, **environ) as proxy:
            status, _, _ = proxy.send({**HELLO, "input": "long " * 20_000})
            assert status == 200
            served(proxy)
            proxy.wait_for("cannot write a request log .*File too large")
            proxy.wait_for("Cannot write the instructions cache .*File too large")
    kept = [file for file in (proxy.home / ".opencode").rglob("*") if file.is_file() and ".sqlite" not in file.name]
    for file in kept:
        json.loads(file.read_bytes())


def test_calls_work_with_a_home_that_cannot_be_written(tmp_path: Path, sandbox: Sandbox) -> None:
    home = tmp_path / "home"
    home.mkdir()
    # A file instead of the folder, which stops root too.
    (home / ".opencode").touch()
    with mitmdump(home, sandbox, **LOGGING) as proxy:
        served(proxy)
        served(proxy)
        proxy.wait_for("cannot write a request log")
        assert proxy.log.count("cannot write a request log") == 1


def test_calls_work_without_a_home(tmp_path: Path, sandbox: Sandbox) -> None:
    """A user without a name, as in a container that runs under a number."""
    nameless = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    try:
        able = subprocess.run([*nameless, "true"], capture_output=True, timeout=30, check=False).returncode == 0
    except FileNotFoundError:
        able = False
    if not able:
        pytest.skip("needs `unshare` of util-linux, and user namespaces")
    home = tmp_path / "home"
    option = f"confdir={home / '.mitmproxy'}"
    program = wrapped(tmp_path, f"exec {' '.join(nameless)}")
    with mitmdump(home, sandbox, "--set", option, program=program, HOME=None, **LOGGING) as proxy:
        served(proxy)
        served(proxy)
        proxy.wait_for("HOME is not set")
    assert {file.name for file in home.iterdir()} == {".mitmproxy"}


def test_two_proxies_share_a_home(tmp_path: Path, sandbox: Sandbox) -> None:
    """Cache, request logs and usage: each file is complete, and there are no warnings."""
    with raw_host() as host, ExitStack() as stack:
        host.answers[f"main/{NEW_PATH}"] = Answer(catalogue("gpt-5.1-codex"))
        environ = {**LOGGING, "CODEX_CATALOG_URL": host.root}
        proxies = [stack.enter_context(mitmdump(tmp_path / "home", sandbox, **environ)) for _ in range(2)]
        pool = stack.enter_context(ThreadPoolExecutor(4))
        for done in [pool.submit(served, proxies[number % 2]) for number in range(40)]:
            done.result(60)
    folder = tmp_path / "home" / ".opencode"
    logs = [json.loads(file.read_bytes()) for file in (folder / "logs" / "codex-plugin").iterdir()]
    assert sorted(log["stage"] for log in logs) == ["after"] * 40 + ["before"] * 40 + ["response"] * 40
    for file in (folder / "cache").iterdir():
        json.loads(file.read_bytes())
    for proxy in proxies:
        assert "annot write" not in proxy.log


def test_a_catalogue_host_that_hangs_delays_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    """Neither the start, nor a request, nor the shutdown waits for it."""
    with raw_host() as host:
        host.answers[f"main/{NEW_PATH}"] = Answer(hang=True)
        with mitmdump(tmp_path / "home", sandbox, CODEX_CATALOG_URL=host.root) as proxy:
            assert host.hanging.wait(30)
            served(proxy)
            proxy.process.terminate()
            assert proxy.process.wait(5) == 0
