"""`run` with programs other than OpenCode: those that use the proxy, and those that bypass it."""

import sys

import pytest
from support import needed
from support.commands import Person
from support.raw_host import Answer, raw_host

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

NOTHING_CAME = "no request came through the proxy"

ASKS = """
const headers = {"content-type": "application/json", authorization: `Bearer ${process.env.OPENAI_API_KEY}`}
const body = JSON.stringify({model: "gpt-5.1", input: "say hello"})
const answer = await fetch("https://api.openai.com/v1/responses", {method: "POST", headers, body})
console.log(await answer.text())
"""

SDK = """
import openai
print(openai.OpenAI().responses.create(model="gpt-5.1", input="say hello").output_text)
"""

# Uses no proxy, whatever the variables say.
STRAIGHT = """
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(opener.open(sys.argv[1], timeout=30).status)
sys.exit(7)
"""


def test_a_script_run_by_node_uses_the_proxy(ready: Person, sandbox: Sandbox) -> None:
    done = ready.run("run", str(needed.node()), "--input-type=module", "-e", ASKS)
    assert done.returncode == 0, done.stderr + ready.logs
    assert "[sandbox]" in done.stdout
    assert len(sandbox.requests) == 1
    assert not done.stderr


def test_a_script_with_a_shebang_for_node_uses_the_proxy(ready: Person, sandbox: Sandbox) -> None:
    script = ready.project / "ask.mjs"
    script.write_text(f"#!{needed.node()}\n{ASKS}")
    script.chmod(0o700)
    done = ready.run("run", "./ask.mjs")
    assert "[sandbox]" in done.stdout, done.stderr + ready.logs
    assert len(sandbox.requests) == 1
    assert not done.stderr


def test_a_node_that_bypasses_the_proxy_is_warned_of(ready: Person) -> None:
    node = ready.project / "node"
    node.write_text("#!/bin/sh\necho v20.20.2\n")
    node.chmod(0o700)
    done = ready.run("run", "./node", "ask.mjs")
    assert done.returncode == 0
    warning, *after = done.stderr.splitlines()
    assert warning.startswith("codex-transform: Node 20.20 does not read HTTPS_PROXY and bypasses the proxy: use ")
    assert "`codex-transform start -- --mode reverse:YOUR-BASE-URL`" in warning
    assert NOTHING_CAME in after[0]


@pytest.mark.parametrize("folder", [True, False])
def test_openais_sdk_uses_the_proxy(folder: bool, ready: Person, sandbox: Sandbox) -> None:
    elsewhere = {"OPENAI_BASE_URL": "https://llm.example/v1"}
    environ = {"SSL_CERT_DIR": str(ready.temporary)} if folder else elsewhere
    done = ready.run("run", sys.executable, "-c", SDK, **environ)
    assert done.returncode == 0, done.stderr + ready.logs
    assert "[sandbox]" in done.stdout
    assert len(sandbox.requests) == 1
    assert NOTHING_CAME not in done.stderr


def test_a_program_that_bypasses_the_proxy_is_warned_of(ready: Person) -> None:
    with raw_host() as host:
        host.answers["hello"] = Answer(b"hello")
        done = ready.run("run", sys.executable, "-c", STRAIGHT, f"{host.root}/hello")
    assert done.stdout == "200\n"
    assert done.returncode == 7
    said, what_to_do = done.stderr.splitlines()
    assert said.startswith(f"codex-transform: {NOTHING_CAME}")
    assert "Node 22.21" in what_to_do
    assert "OpenCode server" in what_to_do
    assert "`codex-transform start -- --mode reverse:YOUR-BASE-URL`" in what_to_do


def test_a_command_that_sends_nothing_is_noticed_with_mitmweb_too(ready: Person) -> None:
    (ready.home / ".mitmproxy").mkdir()
    (ready.home / ".mitmproxy" / "config.yaml").write_text("web_open_browser: false\n")
    done = ready.run("run", "--web", "true")
    assert done.returncode == 0, done.stderr
    assert NOTHING_CAME in done.stderr


@pytest.mark.parametrize("end", ["kill -9 $$", "kill -INT $$", "no-such-command"])
def test_a_command_that_could_send_no_request_is_not_warned_of(end: str, ready: Person) -> None:
    assert NOTHING_CAME not in ready.run("run", "sh", "-c", end).stderr


def test_a_connection_without_a_request_is_not_warned_of(ready: Person) -> None:
    """The program knows the proxy, and itself reports what went wrong."""
    connects = "import os, socket, urllib.parse as u; p = u.urlsplit(os.environ['HTTPS_PROXY'])\n"
    connects += "socket.create_connection((p.hostname, p.port), 20).close()"
    done = ready.run("run", sys.executable, "-c", connects)
    assert done.returncode == 0
    assert not done.stderr
