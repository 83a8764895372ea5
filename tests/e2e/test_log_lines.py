"""The log line of a call: one readable line, and none with -q."""

import os
import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support.ports import reserved
from support.running import MITMDUMP, OPENCODE_AGENT, ROOT, Proxy
from support.waiting import eventually

from codex_transform.sandbox import Sandbox

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

HELLO: dict[str, Any] = {"model": "gpt-5-codex", "input": "say hello", "stream": True, "prompt_cache_key": "k"}

Start = Callable[..., Proxy]


def lines(proxy: Proxy) -> list[str]:
    """Return the addon's lines about calls."""
    return [line.rstrip("\n") for line in proxy.lines if " · " in line]


def test_one_line_for_each_call(proxy: Start) -> None:
    running = proxy()
    for stream in (True, False):
        assert running.send({**HELLO, "stream": stream}, user_agent=OPENCODE_AGENT)[0] == 200
        running.wait_for(r"(?s) out · .* out · " if not stream else " out · ")
    first, second = lines(running)
    shape = r"\[\d\d:\d\d:\d\d\.\d{3}\] gpt-5-codex → gpt-5\.1-codex medium · [\d.]+k in \(\d+% cached\) · \d+ out · "
    assert re.fullmatch(shape + r"\d\.\d s → \d\.\d s", first)
    assert re.fullmatch(shape + r"\d\.\d s", second)
    assert max(map(len, lines(running))) <= 100


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("rate-limit", r"· 429 rate_limit_exceeded: Rate limit reached"),
        ("plain-500", r"· 500 server_error: Internal Server Error"),
        ("cut", r"· cut off: "),
        ("failed", r"· failed server_error: The sandbox broke\."),
        ("incomplete", r"· incomplete"),
        ("no-item-id", r"· repaired: item_id"),
    ],
)
def test_repairs_and_errors_are_in_the_line(quiet_proxy: Proxy, shared_sandbox: Sandbox, fault: str, said: str) -> None:
    shared_sandbox.misbehave(fault, times=1)
    before = len(lines(quiet_proxy))
    quiet_proxy.send(HELLO)
    quiet_proxy.wait_for(said)
    assert len(lines(quiet_proxy)) == before + 1


def test_a_refused_request_is_logged(proxy: Start) -> None:
    running = proxy()
    assert running.send(b"[]")[0] == 400
    running.wait_for(r"\] refused · [\d.]+ s · 400 invalid_request_error: the request body must be a JSON object")


def test_text_from_a_client_cannot_break_the_line(proxy: Start) -> None:
    running = proxy()
    running.send({**HELLO, "model": "evil\x1b[2J\r\n[12:00:00.000] forged · 1 in\ud800"})
    running.wait_for(r"evil \[2J \[12:00:00\.000\] forged · 1 in")
    assert "\x1b[2J" not in running.log
    assert not any(line.startswith("[12:00:00.000]") for line in running.lines)


def test_a_cache_miss_is_logged_with_its_cause(proxy: Start) -> None:
    """The tools differ, which are near the beginning of the prompt."""
    running = proxy()
    talk = {**HELLO, "input": "word " * 20_000}
    running.send(talk)
    running.send({**talk, "tools": [{"type": "function", "name": "bash", "parameters": {"type": "object"}}]})
    running.wait_for(r"\(\d+% cached: new tools\)")


def test_quiet_prints_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    """With -q nothing is printed, so the port must be chosen in advance."""
    variables = {"HOME": str(tmp_path), "CODEX_BASE_URL": sandbox.url, "CODEX_API_KEY": sandbox.key}
    with reserved() as port:
        process = subprocess.Popen(
            [MITMDUMP, "-s", ROOT / "addon.py", "-q", "--listen-host", "127.0.0.1", "--listen-port", str(port)],
            env={**variables, "PATH": os.environ["PATH"], "CODEX_CATALOG_URL": "http://127.0.0.1:9/none"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        proxy = Proxy(process, tmp_path, port=port)
        statuses: list[int] = []

        def answered() -> bool:
            with suppress(ConnectionRefusedError):
                statuses.append(proxy.send(HELLO)[0])
            return bool(statuses)

        try:
            assert eventually(answered), "nobody listens"
        finally:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
    assert (statuses, said) == ([200], "")


def test_a_pipe_gets_each_line_at_once(proxy: Start) -> None:
    """Without being told to: a service manager's journal, or a container's log, reads one."""
    running = proxy(PYTHONUNBUFFERED=None)
    assert running.send(HELLO)[0] == 200
    running.wait_for(r" out · ")
