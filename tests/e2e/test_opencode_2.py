"""The preview of OpenCode 2 through the real mitmdump to the sandbox: its server, used as its terminal uses it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.opencode_2 import Preview, Server2, preview, texts, through
from support.running import ROOT, Proxy, conversation
from support.waiting import eventually

from codex_transform.sandbox import Sandbox

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

Start = Callable[..., Proxy]


@pytest.fixture
def two(tmp_path: Path) -> Preview:
    return preview(tmp_path)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, quiet_proxy: Proxy) -> Iterator[Server2]:
    """One server for all tests that need no other: it takes seconds to start."""
    two = preview(tmp_path_factory.mktemp("two"))
    (two.project / "AGENTS.md").write_text("# AGENTS.md spec\nEvery answer ends with the word heron.\n")
    configure(two, "--models", "gpt-6.1-terra")
    with two.serving(**through(quiet_proxy)) as running:
        yield running


@pytest.fixture
def server(started: Server2, shared_sandbox: Sandbox) -> Server2:
    shared_sandbox.forget()
    return started


def configure(two: Preview, *arguments: str) -> None:
    """Write the configuration as `codex-transform config` does."""
    done = subprocess.run(
        [sys.executable, "-m", "codex_transform", "config", "--yes", *arguments],
        cwd=two.project,
        env={"HOME": str(two.home), "PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr


def test_a_second_turn_continues_the_first(server: Server2, shared_sandbox: Sandbox) -> None:
    session = server.session()
    server.ask(session, "say hello")
    messages = server.ask(session, "say hello again")
    assert all(text.startswith("[sandbox]") for text in texts(messages))
    assert len(texts(messages)) == 2
    first, second = conversation(shared_sandbox)
    assert second["input"][: len(first["input"])] == first["input"]
    assert (second["instructions"], second["tools"]) == (first["instructions"], first["tools"])
    assert first["prompt_cache_key"] == second["prompt_cache_key"] == session
    sent = json.dumps(first["input"])
    assert "You are an AI coding agent" not in sent
    for words in ("<env>", "Every answer ends with the word heron.", "inside OpenCode, not inside the Codex CLI"):
        assert words in sent


def test_traces_are_not_forwarded(server: Server2, shared_sandbox: Sandbox) -> None:
    server.ask(server.session(), "say hello")
    for entry in shared_sandbox.requests:
        assert not {"traceparent", "tracestate", "b3", "baggage"} & entry["headers"].keys()
        assert entry["headers"]["user-agent"].startswith("lildax/")


def test_a_tool_call_leaves_a_file(server: Server2, shared_sandbox: Sandbox) -> None:
    messages = server.ask(server.session(), "write hello world to test.txt")
    assert (server.preview.project / "test.txt").read_text().strip() == "hello world"
    assert [each.get("finish") for each in messages if each["type"] == "assistant"] == ["tool-calls", "stop"]
    first, second = conversation(shared_sandbox)
    assert second["input"][: len(first["input"])] == first["input"]


def test_after_a_refused_permission_the_session_goes_on(
    two: Preview, quiet_proxy: Proxy, shared_sandbox: Sandbox
) -> None:
    two.configure({"permission": {"edit": "ask"}})
    shared_sandbox.forget()
    with two.serving(**through(quiet_proxy)) as server:
        session = server.session()
        server.begin(session, "write hello world to test.txt")
        asked: list[dict[str, Any]] = []

        def is_asked() -> bool:
            asked[:] = server.call(f"/api/session/{session}/permission")["data"]
            return bool(asked)

        assert eventually(is_asked, 30)
        server.call(f"/api/session/{session}/permission/{asked[0]['id']}/reply", {"reply": "reject"})
        assert eventually(lambda: session not in server.call("/api/session/active")["data"], 30)
        assert not (two.project / "test.txt").exists()
        assert texts(server.ask(session, "say hello"))[-1].startswith("[sandbox]")
    last = conversation(shared_sandbox)[-1]["input"]
    outputs = [item for item in last if item["type"].endswith("_output")]
    calls = [item for item in last if item["type"].endswith("_call")]
    assert len(outputs) == len(calls) == 1


def test_an_answer_that_is_interrupted_does_not_end_the_session(server: Server2, shared_sandbox: Sandbox) -> None:
    session = server.session()
    shared_sandbox.misbehave("slow@400", with_tools=True)
    try:
        server.begin(session, "say hello")
        assert eventually(lambda: bool(conversation(shared_sandbox)), 30)
        server.call(f"/api/session/{session}/interrupt", method="POST")
        assert eventually(lambda: session not in server.call("/api/session/active")["data"], 30)
    finally:
        shared_sandbox.behave()
    assert texts(server.ask(session, "say hello again"))[-1].startswith("[sandbox]")
    assert "say hello again" in json.dumps(conversation(shared_sandbox)[-1]["input"])


@pytest.mark.parametrize(("variant", "effort"), [("high", "high"), (None, "low")])
def test_opencode_reads_what_config_writes(
    variant: str | None, effort: str, server: Server2, shared_sandbox: Sandbox
) -> None:
    server.ask(server.session("gpt-6.1-terra", variant), "say hello")
    (body,) = conversation(shared_sandbox)
    assert (body["model"], body["reasoning"]["effort"]) == ("gpt-6.1-terra", effort)


def test_reverse_mode_works_whatever_variables_the_server_was_started_with(
    two: Preview, proxy: Start, sandbox: Sandbox
) -> None:
    """Reverse mode needs no variables, so it does not matter when the server was started."""
    running = proxy("--mode", f"reverse:{sandbox.url}")
    two.service("start")
    try:
        configure(two, "--models", "gpt-5.3-codex", "--reverse", f"{running.url}/v1")
        two.service("restart")
        server = two.background()
        assert texts(server.ask(server.session(), "say hello"))[0].startswith("[sandbox]")
        assert len(conversation(sandbox)) == 1
        configure(two, "--uninstall", "--reverse", f"{running.url}/v1")
        assert running.url not in (two.home / ".config" / "opencode" / "opencode.json").read_text()
    finally:
        two.service("stop")
