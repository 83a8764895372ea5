"""The real OpenCode when the endpoint has faults: what its user sees, and which requests are sent again.

Most tests use one OpenCode server, which answers in a fraction of a second, where a new OpenCode takes several. Only
requests with tools get faults: the one for a title, which is sent at the same time, has none.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.opencode_server import CODEX, Server, serving, texts
from support.running import OpenCode, Proxy, mitmdump

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

Make = Callable[..., OpenCode]

HELLO = "[sandbox] Hello! You said “say hello”. I am a local stand-in for a Codex endpoint."


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, quiet_proxy: Proxy) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("opencode"), quiet_proxy) as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """The module's endpoint, without the requests of the test before."""
    shared_sandbox.forget()
    yield shared_sandbox
    shared_sandbox.behave()


def misbehaviours(sandbox: Sandbox) -> list[str | None]:
    """Return the faults in the responses to requests with tools, in order of arrival."""
    return [entry["misbehaviour"] for entry in sandbox.requests if entry["body"].get("tools")]


# All faults: the AI SDK, with which OpenCode reads answers, has them in test_ai_sdk.py.
@pytest.mark.parametrize(
    "misbehaviour",
    ["bare-events", "rate-limit-events", "gzip+thin-terminal", "json", "only-final", "rotating-ids-filled"],
)
def test_repaired_faults_do_not_show(server: Server, sandbox: Sandbox, misbehaviour: str) -> None:
    """A tool call and the closing message, both with a fault."""
    sandbox.misbehave(misbehaviour, with_tools=True)
    messages = server.ask(server.session(), f"write hello world to {misbehaviour}.txt")
    assert (server.project / f"{misbehaviour}.txt").read_text().strip() == "hello world"
    (closing,) = texts(messages)
    assert closing.startswith("[sandbox] Done")
    assert [message["info"].get("finish") for message in messages] == [None, "tool-calls", "stop"]
    assert all(message["info"]["tokens"]["output"] > 0 for message in messages[1:])
    assert misbehaviours(sandbox) == [misbehaviour] * 2


def test_a_message_that_comes_only_in_deltas_is_shown(server: Server, sandbox: Sandbox) -> None:
    sandbox.misbehave("only-deltas", with_tools=True)
    assert texts(server.ask(server.session(), "say hello")) == [HELLO]


@pytest.mark.parametrize("misbehaviour", ["cut@6", "no-terminal@20", "failed@7", "rate-limit"])
def test_opencode_tries_again_by_itself(server: Server, sandbox: Sandbox, misbehaviour: str) -> None:
    sandbox.misbehave(misbehaviour, times=1, with_tools=True)
    messages = server.ask(server.session(), "say hello")
    assert texts(messages) == [HELLO]
    assert messages[-1]["info"]["finish"] == "stop"
    assert "error" not in messages[-1]["info"]
    assert misbehaviours(sandbox) == [misbehaviour, None]


def test_a_limit_is_waited_for(server: Server, sandbox: Sandbox) -> None:
    """OpenCode shows why it waits, and tries again when `retry-after` has passed."""
    sandbox.misbehave("usage-limit-404", with_tools=True)
    session = server.session()
    server.begin(session, "say hello")
    status = server.status(session, "retry")
    assert "usage limit" in status["message"]
    assert 3500 < status["next"] / 1000 - time.time() < 3700
    server.call(f"/session/{session}/abort", {})
    server.status(session, "idle")
    assert misbehaviours(sandbox) == ["usage-limit-404"]


def test_an_endpoint_that_is_down_is_named(tmp_path: Path, shared_sandbox: Sandbox) -> None:
    """OpenCode keeps trying, and meanwhile shows what is wrong."""
    with (
        mitmdump(tmp_path / "proxy-home", shared_sandbox, CODEX_BASE_URL="http://127.0.0.1:9") as proxy,
        serving(tmp_path, proxy) as server,
    ):
        session = server.session()
        server.begin(session, "say hello")
        status = server.status(session, "retry")
        assert "Cannot reach 127.0.0.1:9: nothing listens there" in status["message"]
        assert "codex_base_url" in status["message"]
        server.call(f"/session/{session}/abort", {})
        server.status(session, "idle")
        assert texts(server.call(f"/session/{session}/message")) == []


def test_a_full_context_is_compacted(server: Server, sandbox: Sandbox) -> None:
    """OpenCode recognizes it by the code of the error."""
    sandbox.misbehave("failed-context", times=1, with_tools=True)
    messages = server.ask(server.session(), "say hello")
    assert "compaction" in [part["type"] for message in messages for part in message["parts"]]
    assert messages[-1]["info"]["finish"] == "stop"


def test_a_full_context_that_stays_full_is_shown(server: Server, sandbox: Sandbox) -> None:
    sandbox.misbehave("failed-context")
    messages = server.ask(server.session(), "say hello")
    assert "context" in messages[-1]["info"]["error"]["data"]["message"]
    assert texts(messages) == []


def test_a_login_page_is_shown_as_one_line(opencode: Make, quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("html-403", with_tools=True)
    done = opencode().through(quiet_proxy, "run", "-m", f"openai/{CODEX}", "say hello")
    assert done.returncode != 0
    (shown,) = [line for line in done.stderr.splitlines() if "Error" in line]
    assert "codex_base_url" in shown
    assert "<" not in done.stdout + done.stderr


def test_a_wrong_key_is_explained(server: Server, sandbox: Sandbox) -> None:
    sandbox.misbehave("unauthorized", with_tools=True)
    messages = server.ask(server.session(), "say hello")
    assert "codex_api_key" in messages[-1]["info"]["error"]["data"]["message"]
    assert texts(messages) == []


def test_the_text_is_printed_once(opencode: Make, quiet_proxy: Proxy, sandbox: Sandbox) -> None:
    sandbox.misbehave("cut-mid-event@25", times=1, with_tools=True)
    done = opencode().through(quiet_proxy, "run", "-m", f"openai/{CODEX}", "say hello")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == HELLO
    assert misbehaviours(sandbox) == ["cut-mid-event@25", None]
