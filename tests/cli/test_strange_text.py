"""The text of a project's files is not trusted: control characters in it do not reach the terminal."""

import json

import pytest
from support.commands import Person

# Control characters that may stand unescaped in JSON.
CLEAR = "\x7f[2J\x9b1m\u202e"


@pytest.fixture
def trap(person: Person) -> Person:
    """A project whose opencode.json contains control sequences for terminals."""
    names = {"plugin": [f"opencode-openai-codex-auth@{CLEAR}"], "provider": {"openai": {"models": {f"m{CLEAR}": {}}}}}
    (person.project / "opencode.json").write_text(json.dumps(names, ensure_ascii=False, indent=2), "utf-8")
    return person


@pytest.mark.parametrize("command", [["doctor", "--offline"], ["config", "--project", "--yes", "--models", "gpt-5.2"]])
def test_control_characters_are_replaced(trap: Person, command: list[str]) -> None:
    done = trap.run(*command)
    said = done.stdout + done.stderr
    assert "m\ufffd[2J" in said
    assert "opencode-openai-codex-auth@\ufffd[2J" in said
    assert not {"\x7f", "\x9b", "\u202e"} & {*said}
