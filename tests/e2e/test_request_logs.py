"""Request logs as the running proxy writes them."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.running import Proxy, mitmdump

from codex_transform.sandbox import Sandbox

HELLO: dict[str, Any] = {"model": "gpt-5-codex", "input": "say hello", "stream": True, "temperature": 1}


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.iterdir())]


def test_four_stages_share_an_id_and_hold_no_key(tmp_path: Path, sandbox: Sandbox) -> None:
    home = tmp_path / "home"
    with mitmdump(home, sandbox, ENABLE_PLUGIN_REQUEST_LOGGING="1") as proxy:
        proxy.send(HELLO, authorization="Bearer sk-the-clients-own-0000")
        sandbox.misbehave("plain-500", times=1)
        proxy.send(HELLO)
    folder = home / ".opencode" / "logs" / "codex-plugin"
    first, second = entries(folder)[:3], entries(folder)[3:]
    assert [entry["stage"] for entry in first] == ["before", "after", "response"]
    assert [entry["stage"] for entry in second] == ["before", "after", "error"]
    assert len({entry["id"] for entry in first}) == 1
    assert first[0]["id"] != second[0]["id"]
    before, after, response = first
    assert before["body"] == HELLO
    assert after["body"]["model"] == "gpt-5.1-codex"
    assert after["url"] == f"{sandbox.url}/backend-api/codex/responses"
    assert response["usage"]["output_tokens"] > 0
    assert second[2]["body"]["error"]["message"]
    written = b"".join(path.read_bytes() for path in folder.iterdir())
    assert sandbox.key.encode() not in written
    assert b"sk-the-clients-own-0000" not in written


@pytest.mark.skipif(os.name != "posix", reason="POSIX file modes")
def test_only_the_user_can_read_the_logs(tmp_path: Path, sandbox: Sandbox) -> None:
    home = tmp_path / "home"
    with mitmdump(home, sandbox, ENABLE_PLUGIN_REQUEST_LOGGING="1") as proxy:
        proxy.send(HELLO)
    folder = home / ".opencode" / "logs" / "codex-plugin"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_nothing_is_logged_by_default(proxy: Callable[..., Proxy]) -> None:
    running = proxy()
    running.send(HELLO)
    assert not (running.home / ".opencode" / "logs").exists()
