"""`run` with OpenCode 2, whose background server may have been started before the proxy."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.commands import Person
from support.opencode_2 import CODEX, Preview, preview
from support.running import Proxy, conversation, mitmdump
from support.waiting import eventually

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate


@pytest.fixture
def two(tmp_path: Path, ready: Person) -> Iterator[Preview]:
    """OpenCode 2 in the person's home, whose server is stopped at the end."""
    found = preview(tmp_path)
    found.home = ready.home
    ready.variables |= {"OPENAI_API_KEY": "sk-of-the-user-000000", "OPENCODE_DISABLE_AUTOUPDATE": "1"}
    yield found
    found.service("stop")


def asks(two: Preview) -> list[str]:
    """Return a command that creates a conversation on the server and sends a prompt, as OpenCode's terminal does."""
    session = json.dumps({"model": {"id": CODEX, "providerID": "openai"}, "location": {"directory": str(two.project)}})
    script = f"""
session=$('{two.program}' api POST /api/session -d '{session}' | sed 's/.*"id":"\\(ses_[A-Za-z0-9]*\\)".*/\\1/')
'{two.program}' api POST /api/session/$session/prompt -d '{{"prompt": {{"text": "say hello"}}}}'
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  '{two.program}' api GET /api/session/$session/message | grep -q '"finish"' && exit
  sleep 0.5
done
"""
    wrapper = two.project / "opencode2"
    wrapper.write_text(f"""#!/bin/sh
case "$1" in
  --version|service) exec '{two.program}' "$@" ;;
esac
{script}
""")
    wrapper.chmod(0o755)
    return [str(wrapper), "ask"]


def environ_of(two: Preview) -> dict[str, str]:
    """Return the environment that the server was started with."""
    pid = json.loads(two.state.read_text())["pid"]
    data = Path(f"/proc/{pid}/environ").read_bytes()
    return dict(os.fsdecode(each).split("=", 1) for each in data.split(b"\0") if each)


def test_without_a_terminal_a_running_server_is_not_restarted(ready: Person, sandbox: Sandbox, two: Preview) -> None:
    two.service("start")
    before = environ_of(two)
    done = ready.run("run", *asks(two))
    assert done.returncode == 2
    assert "has a server already" in done.stderr
    assert "would bypass this proxy and use your own key" in done.stderr
    assert "--restart-server" in done.stderr
    assert environ_of(two) == before
    assert not sandbox.requests


def test_a_restarted_server_uses_the_proxy_and_is_restored_afterwards(
    ready: Person, sandbox: Sandbox, two: Preview
) -> None:
    two.service("start", MINE="1")
    done = ready.run("run", "--restart-server", *asks(two))
    assert done.returncode == 0, done.stderr
    assert len(conversation(sandbox)) == 1
    after = environ_of(two)
    assert after["MINE"] == "1"
    assert "HTTPS_PROXY" not in after


def test_the_server_is_restarted_only_with_consent(ready: Person, sandbox: Sandbox, two: Preview) -> None:
    two.service("start")
    for answer, status, requests in (("n", 2, 0), ("y", 0, 1)):
        with ready.at_terminal("run", *asks(two)) as child:
            child.expect("Restart it")
            child.sendline(answer)
            child.expect_exact("Nothing was started" if answer == "n" else '"data"')
            child.wait()
            assert child.exitstatus == status
        assert len(conversation(sandbox)) == requests


def test_a_server_that_the_command_starts_is_stopped_afterwards(ready: Person, sandbox: Sandbox, two: Preview) -> None:
    done = ready.run("run", *asks(two))
    assert done.returncode == 0, done.stderr
    assert len(conversation(sandbox)) == 1
    assert not two.state.exists()


@pytest.fixture
def other(tmp_path: Path, sandbox: Sandbox) -> Iterator[Proxy]:
    with mitmdump(tmp_path / "other", sandbox) as running:
        yield running


def test_a_server_that_uses_another_of_our_proxies_is_not_restarted(
    ready: Person, sandbox: Sandbox, two: Preview, other: Proxy
) -> None:
    two.service("start", HTTPS_PROXY=other.url, NODE_EXTRA_CA_CERTS=str(other.ca))
    before = two.state.read_text()
    done = ready.run("run", *asks(two))
    assert done.returncode == 0, done.stderr
    assert f"OpenCode's server already goes through the proxy at {other.url}." in done.stderr
    assert "no request came through" not in done.stderr
    assert eventually(lambda: len(conversation(sandbox)) == 1)
    assert two.state.read_text() == before


def test_a_command_that_needs_no_server_leaves_it_alone(ready: Person, sandbox: Sandbox, two: Preview) -> None:
    two.service("start")
    before = two.state.read_text()
    done = ready.run("run", str(two.program), "service", "status")
    assert done.returncode == 0, done.stderr
    assert two.state.read_text() == before
    assert not sandbox.requests


def test_a_server_that_is_configured_for_reverse_mode_is_not_restarted(
    ready: Person, sandbox: Sandbox, two: Preview, tmp_path: Path
) -> None:
    """The permanent setup: reverse mode, and a server that was started without any variables."""
    with mitmdump(tmp_path / "other", sandbox, "--mode", f"reverse:{sandbox.url}") as proxy:
        two.configure({"provider": {"openai": {"options": {"baseURL": f"{proxy.url}/v1"}}}})
        two.service("start")
        done = ready.run("run", *asks(two))
        assert done.returncode == 0, done.stderr
        assert f"already goes through the proxy at {proxy.url}" in done.stderr
        assert eventually(lambda: len(conversation(sandbox)) == 1)
