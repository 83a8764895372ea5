"""The real OpenCode when the endpoint misbehaves: what the person in front of it sees, and what is asked again.

Only requests with tools are answered badly: the request for a title, which OpenCode sends at the same time, has none.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from running import OpenCode, Proxy

from codex_transform.sandbox import Sandbox

Make = Callable[..., OpenCode]

CODEX = "openai/gpt-5.3-codex"
HELLO = "[sandbox] Hello! You said “say hello”. I am a local stand-in for a Codex endpoint."


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The module's endpoint, which has forgotten the test before."""
    shared_sandbox.forget()
    yield shared_sandbox
    shared_sandbox.behave()


def conversation(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The requests with tools, in the order in which they came."""
    return [entry for entry in sandbox.requests if entry["body"].get("tools")]


@pytest.mark.parametrize(
    "misbehaviour",
    [
        "response-done",
        "empty-output",
        "bare-events",
        "rate-limit-events",
        "thin-terminal",
        "gzip",
        "json",
        "plain-type",
        "many-lines+crlf",
    ],
)
def test_as_if_nothing_was_wrong(opencode: Make, quiet_proxy: Proxy, sandbox: Sandbox, misbehaviour: str) -> None:
    """A tool call and the closing message, both answered badly."""
    sandbox.misbehave(misbehaviour, with_tools=True)
    client = opencode()
    done = client.through(quiet_proxy, "run", "-m", CODEX, "write hello world to test.txt")
    assert done.returncode == 0, done.stderr
    assert (client.project / "test.txt").read_text().strip() == "hello world"
    assert done.stdout.count("[sandbox] Done") == 1
    assert [entry["misbehaviour"] for entry in conversation(sandbox)] == [misbehaviour] * 2


@pytest.mark.parametrize("misbehaviour", ["cut@6", "cut-mid-event@9", "no-terminal@6", "reset@3", "gzip-truncated", "failed@7", "hang@3"])
def test_it_tries_again_by_itself(opencode: Make, quiet_proxy: Proxy, sandbox: Sandbox, misbehaviour: str) -> None:
    sandbox.misbehave(misbehaviour, times=1, with_tools=True)
    done = opencode().through(quiet_proxy, "run", "-m", CODEX, "say hello")
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == HELLO
    assert [entry["misbehaviour"] for entry in conversation(sandbox)] == [misbehaviour, None]
