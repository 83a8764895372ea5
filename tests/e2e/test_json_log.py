"""The JSON log of the real mitmdump, with calls through the sandbox."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.running import Proxy

from codex_transform.sandbox import Sandbox

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True, "prompt_cache_key": "k"}
KEY_OF_CLIENT = "sk-of-the-client-0123456789abcdef"

Start = Callable[..., Proxy]


def objects(proxy: Proxy) -> list[dict[str, Any]]:
    """Return the lines of the log as JSON, without those that mitmproxy prints before it loads the script."""
    first, *others = proxy.lines
    assert "Loading script" in first
    return [json.loads(line) for line in others]


def test_the_json_log_has_one_object_per_line(proxy: Start, sandbox: Sandbox) -> None:
    running = proxy(CODEX_LOG_FORMAT="json", CODEX_DEBUG="1", DEBUG_CODEX_PLUGIN="1")
    assert running.send(HELLO, authorization=f"Bearer {KEY_OF_CLIENT}")[0] == 200
    running.wait_for('"outcome": "completed"')
    sandbox.misbehave("rate-limit", times=1)
    assert running.send(HELLO)[0] == 429
    running.wait_for('"status": 429')
    assert running.send({**HELLO, "model": 'a"b\r\n{"forged": 1}\ud800'})[0] == 400
    running.wait_for('"status": 400')
    lines = objects(running)
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert any("proxy listening at 127.0.0.1:" in line["message"] for line in lines)
    assert not any("forged" in line for line in lines)
    good, bad, strange = (line for line in lines if "outcome" in line)
    assert good["level"] == "info"
    assert good["message"].startswith("gpt-5.1-codex · ")
    assert (good["model"], good["asked"], good["effort"]) == ("gpt-5.1-codex", "gpt-5.1-codex", None)
    assert (good["status"], good["outcome"], good["attempts"], good["repaired"]) == (200, "completed", 1, False)
    assert good["input"] >= good["cached"] >= 0
    assert good["output"] > 0
    assert 0 <= good["first_token"] <= good["total"]
    assert (good["error"], good["code"], good["conversation"]) == (None, None, "k")
    assert (bad["level"], bad["status"], bad["code"]) == ("warning", 429, "rate_limit_exceeded")
    assert "Rate limit" in bad["error"]
    assert strange["asked"] == 'a"b {"forged": 1}'
    assert not [secret for secret in (sandbox.key, KEY_OF_CLIENT) if secret in running.log]
    # mitmdump's own lines about each flow would be between them.
    assert "<< " not in running.log


def test_mitmdumps_flow_lines_stay_if_the_user_has_asked_for_them(proxy: Start) -> None:
    running = proxy("--set", "flow_detail=1", "--set", "codex_log_format=json")
    assert running.send(HELLO)[0] == 200
    running.wait_for(r"<< 200 OK")


def test_an_unhandled_error_is_one_json_object_too(proxy: Start, tmp_path: Path) -> None:
    script = tmp_path / "broken.py"
    script.write_text("def request(flow):\n    raise ValueError('of somebody else')\n")
    running = proxy("-s", str(script), CODEX_LOG_FORMAT="json")
    running.send(HELLO)
    running.wait_for("of somebody else")
    (line,) = (line for line in objects(running) if "exc_info" in line)
    assert line["level"] == "error"
    assert "ValueError: of somebody else" in line["exc_info"]
    running.lines.clear()  # it is meant to be there
