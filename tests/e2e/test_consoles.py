"""Consoles that lack characters: every log line is still shown, and no answer is delayed."""

import time
from pathlib import Path

import pytest
from support.running import OPENCODE_AGENT, mitmdump

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

HELLO = {"model": "gpt-5-codex", "input": "say hello", "stream": True}

# The longest delay of an answer, by design, for its flow to be written: see proxy/addons/call_recorder.py.
HELD = 5.0


@pytest.mark.parametrize(
    ("encoding", "arrow", "model"),
    [("ascii", "->", r"\?\?"), ("cp1252", "->", r"\?\?"), ("cp936", ".*", ".*")],
)
def test_log_lines_with_other_characters_are_shown_and_delay_nothing(
    encoding: str, arrow: str, model: str, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Characters that the code page has are not UTF-8 in the output."""
    flows = tmp_path / "flows"
    with mitmdump(tmp_path / "home", sandbox, "-w", str(flows), PYTHONIOENCODING=encoding) as proxy:
        begun = time.monotonic()
        assert proxy.send(HELLO, user_agent=OPENCODE_AGENT)[0] == 200
        assert proxy.send({**HELLO, "model": "模型"})[0] == 400  # the sandbox does not serve it
        took = time.monotonic() - begun
        proxy.wait_for(rf"gpt-5-codex {arrow} gpt-5.1-codex medium")
        proxy.wait_for(rf"\] {model} ")
    assert took < HELD
    assert "模型".encode() in flows.read_bytes()
