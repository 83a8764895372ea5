"""The settings of a running proxy: each source, and a change while it runs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support.running import OPENCODE_AGENT, Proxy
from support.waiting import eventually

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

Start = Callable[..., Proxy]
HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}


def test_an_option_takes_precedence_over_the_environment(proxy: Start, sandbox: Sandbox) -> None:
    running = proxy("--set", f"codex_base_url={sandbox.url}/option/v1", CODEX_BASE_URL=f"{sandbox.url}/environment")
    assert running.send(HELLO)[0] == 200
    assert sandbox.requests[0]["path"] == "/option/v1/responses"


def test_an_option_set_to_its_default_takes_precedence_too(proxy: Start, sandbox: Sandbox) -> None:
    running = proxy("--set", "codex_originator=opencode", CODEX_ORIGINATOR="somebody")
    assert running.send(HELLO)[0] == 200
    assert sandbox.requests[0]["headers"]["originator"] == "opencode"


def test_opencodes_config_gives_base_url_and_effort(proxy: Start, sandbox: Sandbox, tmp_path: Any) -> None:
    folder = tmp_path / "proxy-home" / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.jsonc").write_text(
        '{"provider": {"openai": {\n  // of our own\n  "baseURL": "' + sandbox.url + '/file/v1",\n'
        '  "options": {"reasoningEffort": "low",},\n'
        '  "models": {"gpt-5.1-codex": {"options": {"reasoningEffort": "high"}}}}}}'
    )
    running = proxy(CODEX_BASE_URL=None)
    assert running.send(HELLO, user_agent=OPENCODE_AGENT)[0] == 200
    entry = sandbox.requests[0]
    assert entry["path"] == "/file/v1/responses"
    assert entry["body"]["reasoning"]["effort"] == "high"


def test_with_an_invalid_setting_the_key_is_sent_nowhere(proxy: Start, sandbox: Sandbox, tmp_path: Any) -> None:
    folder = tmp_path / "proxy-home" / ".opencode"
    folder.mkdir(mode=0o700, parents=True)
    file = folder / "openai-codex-auth-config.json"
    file.touch(0o600)
    file.write_text(json.dumps({"baseURL": sandbox.url}))
    running = proxy(CODEX_BASE_URL="htps://slip.example")
    status, _, answer = running.send(HELLO)
    assert status == 401
    assert "CODEX_BASE_URL" in json.loads(answer)["error"]["message"]
    assert not sandbox.requests


def test_the_users_own_instructions_are_sent(proxy: Start, sandbox: Sandbox, tmp_path: Any) -> None:
    file = tmp_path / "mine.md"
    file.write_text("Work as a heron would.")
    running = proxy(CODEX_INSTRUCTIONS_FILE=str(file))
    assert running.send(HELLO, user_agent=OPENCODE_AGENT)[0] == 200
    assert sandbox.requests[0]["body"]["instructions"] == "Work as a heron would."
    file.write_text("Work as a crane would.")

    def changed() -> bool:
        running.send(HELLO, user_agent=OPENCODE_AGENT)
        return bool(sandbox.requests[-1]["body"]["instructions"] == "Work as a crane would.")

    assert eventually(changed)
