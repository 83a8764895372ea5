"""The real OpenCode through the real mitmdump to the sandbox endpoint; api.openai.com is never reached."""

import json
from collections.abc import Callable

import programs
import pytest
from pydantic_core import to_json
from support.running import OpenCode, Proxy, conversation

from codex_transform.sandbox import Sandbox

Start = Callable[..., Proxy]
Make = Callable[..., OpenCode]

CODEX = "openai/gpt-5.3-codex"


def test_a_prompt_is_answered_and_a_second_turn_continues_it(opencode: Make, proxy: Start, sandbox: Sandbox) -> None:
    """The user's AGENTS.md reaches the model, and OpenCode's own prompt does not."""
    running, client = proxy(), opencode()
    (client.project / "AGENTS.md").write_text("Every answer ends with the word heron.\n")
    done = client.through(running, "run", "-m", CODEX, "say hello")
    assert done.returncode == 0, done.stderr
    assert "[sandbox]" in done.stdout
    (body,) = conversation(sandbox)
    assert body["model"] == "gpt-5.3-codex"
    assert body["instructions"]
    assert "say hello" in json.dumps(body["input"][-1])
    sent = json.dumps(body["input"])
    assert "Every answer ends with the word heron." in sent
    assert "<env>" in sent
    assert "You are OpenCode" not in sent
    assert "api.openai.com" not in json.dumps([entry["headers"] for entry in sandbox.requests])
    assert "server connect api.openai.com" not in running.log
    done = client.through(running, "run", "-m", CODEX, "--continue", "say hello again")
    assert done.returncode == 0, done.stderr
    first, second = conversation(sandbox)
    assert first["prompt_cache_key"] == second["prompt_cache_key"]
    assert to_json(second["input"]).startswith(to_json(first["input"])[:-1] + b",")
    assert len(second["input"]) > len(first["input"])
    assert second["instructions"] == first["instructions"]


@pytest.mark.parametrize("version", [programs.OPENCODE, programs.OLD_OPENCODE])
def test_a_tool_call_leaves_a_file(version: str, opencode: Make, proxy: Start, sandbox: Sandbox) -> None:
    client = opencode(version)
    client.configure('{"provider": {"openai": {"models": {"gpt-5.1-codex": {}}}}}')
    done = client.through(proxy(), "run", "-m", "openai/gpt-5.1-codex", "write hello world to test.txt")
    assert done.returncode == 0, done.stderr
    assert (client.project / "test.txt").read_text().strip() == "hello world"
    first, second = conversation(sandbox)
    assert to_json(second["input"]).startswith(to_json(first["input"])[:-1] + b",")
    assert second["instructions"] == first["instructions"]
    assert second["tools"] == first["tools"]
    bridge = first["input"][0]["content"][0]["text"]
    assert "apply_patch" in bridge
