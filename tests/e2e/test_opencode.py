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


def test_a_prompt_is_answered(opencode: Make, proxy: Start, sandbox: Sandbox) -> None:
    running = proxy()
    done = opencode().through(running, "run", "-m", CODEX, "say hello")
    assert done.returncode == 0, done.stderr
    assert "[sandbox]" in done.stdout
    (body,) = conversation(sandbox)
    assert body["model"] == "gpt-5.3-codex"
    assert body["instructions"]
    assert "say hello" in json.dumps(body["input"][-1])
    assert "api.openai.com" not in json.dumps([entry["headers"] for entry in sandbox.requests])
    assert "server connect api.openai.com" not in running.log


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


def test_a_second_turn_continues_the_first(opencode: Make, proxy: Start, sandbox: Sandbox) -> None:
    client, running = opencode(), proxy()
    for arguments in (["say hello"], ["--continue", "say hello again"]):
        done = client.through(running, "run", "-m", CODEX, *arguments)
        assert done.returncode == 0, done.stderr
    first, second = conversation(sandbox)
    assert first["prompt_cache_key"] == second["prompt_cache_key"]
    assert to_json(second["input"]).startswith(to_json(first["input"])[:-1] + b",")
    assert len(second["input"]) > len(first["input"])
    assert second["instructions"] == first["instructions"]


@pytest.mark.gate
def test_agents_md_reaches_the_model_and_opencodes_prompt_does_not(
    opencode: Make, proxy: Start, sandbox: Sandbox
) -> None:
    client = opencode()
    (client.project / "AGENTS.md").write_text("Every answer ends with the word heron.\n")
    done = client.through(proxy(), "run", "-m", CODEX, "say hello")
    assert done.returncode == 0, done.stderr
    sent = json.dumps(conversation(sandbox)[0]["input"])
    assert "Every answer ends with the word heron." in sent
    assert "<env>" in sent
    assert "You are OpenCode" not in sent


@pytest.mark.gate
def test_codex_mode_off_keeps_opencodes_prompt(opencode: Make, proxy: Start, sandbox: Sandbox) -> None:
    done = opencode().through(proxy(CODEX_MODE="0"), "run", "-m", CODEX, "say hello")
    assert done.returncode == 0, done.stderr
    assert "You are OpenCode" in json.dumps(conversation(sandbox)[0]["input"])


@pytest.mark.gate
def test_reverse_mode_needs_no_certificate(opencode: Make, proxy: Start, sandbox: Sandbox) -> None:
    running = proxy("--mode", f"reverse:{sandbox.url}")
    client = opencode()
    client.configure(json.dumps({"provider": {"openai": {"options": {"baseURL": f"{running.url}/v1"}}}}))
    done = client.run("run", "-m", CODEX, "say hello")
    assert done.returncode == 0, done.stderr
    assert "[sandbox]" in done.stdout
    assert conversation(sandbox)
