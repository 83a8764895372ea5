"""The real OpenCode: the model and effort that its user chose, and what it shows if a setting is wrong."""

from collections.abc import Callable

import pytest
from support.running import OpenCode, Proxy, conversation

from codex_transform.sandbox import Sandbox

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

Start = Callable[..., Proxy]
Make = Callable[..., OpenCode]

CODEX = "openai/gpt-5.3-codex"


def test_a_model_that_codex_endpoints_lack_is_replaced(
    opencode: Make, quiet_proxy: Proxy, shared_sandbox: Sandbox
) -> None:
    shared_sandbox.forget()
    done = opencode().through(quiet_proxy, "run", "-m", "openai/gpt-5", "say hello")
    assert done.returncode == 0, done.stderr
    assert conversation(shared_sandbox)[0]["model"] == "gpt-5.1"


def test_a_legacy_model_name_sets_the_effort(opencode: Make, quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    """The configuration that the plugin shipped for older OpenCode: the effort is part of the model's name."""
    shared_sandbox.forget()
    client = opencode()
    client.configure(
        '{"provider": {"openai": {"models": {"gpt-5.2-codex-xhigh": {"options": {"reasoningEffort": "xhigh"}}}}}}'
    )
    done = client.through(quiet_proxy, "run", "-m", "openai/gpt-5.2-codex-xhigh", "say hello")
    assert done.returncode == 0, done.stderr
    body = conversation(shared_sandbox)[0]
    assert (body["model"], body["reasoning"]["effort"]) == ("gpt-5.2-codex", "xhigh")


def test_a_wrong_key_is_explained(opencode: Make, proxy: Start) -> None:
    running = proxy(CODEX_API_KEY="sk-wrong-key-0000000000")
    done = opencode().through(running, "run", "-m", CODEX, "say hello")
    assert done.returncode != 0
    assert "codex_api_key" in done.stdout + done.stderr
    assert "sk-wrong-key-0000000000" not in done.stdout + done.stderr + running.log


def test_missing_settings_are_explained(opencode: Make, proxy: Start, sandbox: Sandbox) -> None:
    running = proxy(CODEX_API_KEY=None, CODEX_BASE_URL=None)
    done = opencode().through(running, "run", "-m", CODEX, "say hello")
    assert done.returncode != 0
    assert "CODEX_BASE_URL" in done.stdout + done.stderr
    assert not sandbox.requests
