"""Refused instructions go on as a message: the real mitmdump, and what the endpoint received."""

from pathlib import Path
from typing import Any

import pytest
from support.conversation import ask, said, statuses, text
from support.running import OPENCODE_AGENT, cache_instructions, mitmdump

from codex_transform.sandbox import Sandbox


def test_refused_instructions_of_a_client_go_on_as_a_message(tmp_path: Path, sandbox: Sandbox) -> None:
    """A client's own instructions are refused once, and from then on are sent as a message."""
    sandbox.misbehave("codex-instructions")
    tools = [{"type": "function", "name": "look_up", "parameters": {}}]
    cache_instructions(tmp_path, "gpt-5.2", "Write code [codex]")
    with mitmdump(tmp_path, sandbox) as proxy:
        for own in ("Rhyme.", "Rhyme.", "Be brief."):
            more: dict[str, Any] = {"model": "gpt-5.2", "instructions": own, "tools": tools}
            ask(proxy, "b", said(text("hello")), agent="OpenAI/Python 2.8", **more)
    assert statuses(sandbox) == [400, 200, 200, 200]
    first, healed, second, third = (entry["body"] for entry in sandbox.requests)
    assert (first["instructions"], len(first["input"])) == ("Rhyme.", 1)
    assert healed == second
    assert {entry["instructions"] for entry in (healed, third)} == {"Write code [codex]"}
    bridge, moved, user = healed["input"]
    assert "`look_up`" in bridge["content"][0]["text"]
    assert "OpenCode" not in bridge["content"][0]["text"]
    assert moved == {"type": "message", "role": "developer", "content": [text("Rhyme.")]}
    assert user == said(text("hello"))
    assert third["input"][1]["content"] == [text("Be brief.")]


OPENCODE_PROMPT = "You are OpenCode, the best coding agent on the planet.\n\n<env>\n  Platform: linux\n</env>"


@pytest.mark.parametrize(
    ("agent", "own", "environ"),
    [
        ("OpenAI/Python 2.8", "Rhyme.", {"CODEX_MODE": "0"}),
        (OPENCODE_AGENT, OPENCODE_PROMPT, {"CODEX_INSTRUCTIONS": "client"}),
        (OPENCODE_AGENT, OPENCODE_PROMPT, {"CODEX_INSTRUCTIONS": "client", "CODEX_MODE": "0"}),
    ],
)
def test_the_next_turn_begins_as_the_one_whose_instructions_were_refused(
    tmp_path: Path, sandbox: Sandbox, agent: str, own: str, environ: dict[str, str]
) -> None:
    """Else the endpoint's prompt cache would be of no use to it."""
    sandbox.misbehave("codex-instructions")
    cache_instructions(tmp_path, "gpt-5.1", "Write code [codex]")
    tools = [{"type": "function", "name": "bash", "parameters": {}}]
    more: dict[str, Any] = {"instructions": own, "tools": tools, "store": False, "include": []}
    with mitmdump(tmp_path, sandbox, **environ) as proxy:
        for turn in range(2):
            ask(proxy, "b", *([said(text("hello"))] * (turn + 1)), agent=agent, **more)
    assert statuses(sandbox) == [400, 200, 200]
    healed, second = (entry["body"] for entry in sandbox.requests[1:])
    assert healed["instructions"] == second["instructions"]
    assert healed["input"] == second["input"][: len(healed["input"])]


def test_a_refused_instructions_file_goes_on_as_a_message(tmp_path: Path, sandbox: Sandbox) -> None:
    """The endpoint accepts only the model's own instructions, so the user's file is sent as a message."""
    sandbox.misbehave("codex-instructions")
    own = tmp_path / "own.md"
    own.write_text("Be my guest.")
    cache_instructions(tmp_path, "gpt-5.2", "Write code [codex]")
    with mitmdump(tmp_path, sandbox, CODEX_INSTRUCTIONS_FILE=str(own)) as proxy:
        for _ in range(2):
            ask(proxy, "b", said(text("hello")), model="gpt-5.2")
    assert statuses(sandbox) == [400, 200, 200]
    for entry in sandbox.requests[1:]:
        assert entry["body"]["instructions"] == "Write code [codex]"
        assert entry["body"]["input"][0] == {"type": "message", "role": "developer", "content": [text("Be my guest.")]}
    assert sandbox.requests[1]["body"] == sandbox.requests[2]["body"]
