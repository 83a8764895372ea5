"""The pages' commands for users, run literally by a shell: servers, OpenCode's screen, questions, and others.

Placeholders for the reader's endpoint are replaced by the sandbox, and port 8080 by a free one.
"""

import http.client
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pexpect
import pytest
from support import needed, readme
from support.commands import Person
from support.readme import ARCHITECTURE, BOTH, ENGLISH, Readme
from support.running import MITMDUMP, ROOT, Proxy, serving
from support.waiting import eventually

from codex_transform import sandbox as sandboxes
from codex_transform.cli import main
from codex_transform.sandbox import Sandbox

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell runs these commands"),
    pytest.mark.gate,
]


class Newcomer(Person):
    """A person who has installed this package and OpenCode, and has an endpoint."""

    def __init__(self, top: Path, sandbox: Sandbox) -> None:
        super().__init__(top)
        self.sandbox = sandbox
        self.programs = self.home / "bin"
        self.programs.mkdir()
        for name, command in {
            "python3": f'"{sys.executable}"',
            "codex-transform": f'"{sys.executable}" -m codex_transform',
            "mitmdump": f'"{MITMDUMP}"',
            "opencode": f'"{needed.opencode()}"',
        }.items():
            program = self.programs / name
            program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
            program.chmod(0o755)
        folder = self.home / ".mitmproxy"
        folder.mkdir()
        # Many tests run at once, and none may open a browser.
        (folder / "config.yaml").write_text("web_open_browser: false\nweb_port: 0\nlisten_port: 0\n")
        (self.project / "key.txt").write_text(f"{sandbox.key}\n")
        self.variables |= {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "PWD": str(self.project),
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        }
        if git := shutil.which("git"):
            subprocess.run([git, "init", "--quiet", self.project], check=True)

    def log_in(self) -> None:
        self.shell("codex-transform login --base-url https://your-codex-api.com --api-key-stdin < key.txt")

    def adapt(self, command: str) -> str:
        """A command of the pages, with this endpoint."""
        port = self.sandbox.url.rpartition(":")[2]
        for placeholder, real in {
            "https://your-codex-api.com": self.sandbox.url,
            "http://127.0.0.1:PORT": f"http://127.0.0.1:{port}",
            "CODEX_API_KEY=KEY": f"CODEX_API_KEY={self.sandbox.key}",
        }.items():
            command = command.replace(placeholder, real)
        return re.sub(r"(codex-transform start|scripts/start\.py)", r"\1 --port 0", command)

    def shell(self, command: str) -> str:
        """Runs a command, which must succeed; returns its output."""
        done = subprocess.run(
            ["bash", "-e", "-c", self.adapt(command)],
            env=self.environ(),
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}{self.logs}"
        return done.stdout

    @contextmanager
    def terminal(self, command: str) -> Iterator[Any]:
        """A command in its own terminal, as pexpect's child, which must succeed at the end of the block."""
        child = pexpect.spawn(
            "bash",
            ["-e", "-c", self.adapt(command)],
            env=self.environ(TERM="xterm-256color"),
            cwd=str(self.project),
            dimensions=(40, 120),
            encoding="utf-8",
            codec_errors="replace",
            timeout=60,
        )
        try:
            yield child
            child.expect(pexpect.EOF)
            child.wait()
        finally:
            child.close(force=True)
        assert child.exitstatus == 0

    @contextmanager
    def serving(self, command: str) -> Iterator[Proxy]:
        """A command that serves until Ctrl-C, and then ends with status 0."""
        cwd = ROOT if "scripts/" in command else self.project
        with serving(["bash", "-c", self.adapt(command)], self.environ(), cwd, self.home) as proxy:
            yield proxy


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandboxes.running() as running:
        yield running


@pytest.fixture
def newcomer(tmp_path: Path, sandbox: Sandbox) -> Newcomer:
    return Newcomer(tmp_path, sandbox)


# -- none is missing --------------------------------------------------------------------------------------------------


def test_every_command_is_run() -> None:
    known = {
        *readme.SERVERS,
        *readme.BY_CLI,
        *readme.SCREENS,
        *readme.QUESTIONS,
        *readme.ENDING,
        *readme.INSTALLS,
        readme.REMOVES,
        *readme.IN_THE_GATE,
        *readme.BY_FRESH_INSTALL,
        *readme.SCRIPTS,
        *readme.TEAM,
        *readme.terminal().splitlines(),
    }
    assert {*ENGLISH.commands(), *ARCHITECTURE.commands()} == known


@pytest.mark.parametrize("text", BOTH, ids=repr)
def test_commands_within_sentences_are_valid(text: Readme) -> None:
    """They are among the tested ones, or `codex-transform` accepts their arguments."""
    assert isinstance(main, click.Group)
    told = "\n".join(text.blocks("text"))
    starts = ("codex-transform ", "python3 ", "pip ", "pipx ", "uv ", "opencode ", "export ")
    found = {quote for quote in readme.quoted(text.prose) + readme.quoted(told) if quote.startswith(starts)}
    assert len(found) > 10
    for command in found - {*text.commands(), *ARCHITECTURE.commands(), *readme.PATHS}:
        name, subcommand, *arguments = command.split()
        assert name == "codex-transform", command
        known = main.get_command(click.Context(main), subcommand)
        assert known is not None, command
        if arguments:
            known.make_context(subcommand, arguments)


# -- serving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", readme.SERVERS)
def test_servers_answer_requests(command: str, newcomer: Newcomer) -> None:
    newcomer.log_in()
    with newcomer.serving(command) as proxy:
        client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30)
        target = "/v1/responses" if "reverse:" in command else "http://api.openai.com/v1/responses"
        client.request("POST", target, json.dumps({"model": "gpt-5.1", "input": "say hello"}))
        answer = client.getresponse()
        body = json.load(answer)
        client.close()
        assert answer.status == 200, body
        if "--web" in command:
            proxy.wait_for(r"Web server listening at http://127\.0\.0\.1:")
    assert "[sandbox]" in json.dumps(body["output"])
    assert newcomer.sandbox.key not in proxy.log
    if "reverse:" in command:
        assert ENGLISH.blocks("json")[0].replace("8080", str(proxy.port)) in proxy.log
        assert "HTTPS_PROXY" not in proxy.log


def test_opencodes_terminal(newcomer: Newcomer) -> None:
    """The block for OpenCode's terminal, while a proxy is running."""
    newcomer.log_in()
    with newcomer.serving("codex-transform start") as proxy:
        assert eventually(proxy.is_ready)
        output = newcomer.shell(readme.terminal().replace("http://127.0.0.1:8080", proxy.url))
    assert "[sandbox]" in output
    for line in readme.terminal().splitlines()[:2]:
        assert line.replace("8080", str(proxy.port)).replace("~", str(newcomer.home)) in proxy.log


# -- on OpenCode's screen ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", readme.SCREENS)
def test_opencode_starts(command: str, newcomer: Newcomer) -> None:
    if not command.startswith("CODEX"):
        newcomer.log_in()
    with newcomer.terminal(command) as child:
        if "--web" in command:
            child.expect(r"look inside at http://127\.0\.0\.1:\d+")
        child.expect("Ask anything")
        child.send("\x03")
    assert newcomer.wait_until_gone(), newcomer.leftovers()


# -- asking -----------------------------------------------------------------------------------------------------------


def test_login_asks_for_endpoint_and_key(newcomer: Newcomer) -> None:
    with newcomer.terminal("codex-transform login") as child:
        child.expect("Base URL")
        child.sendline(newcomer.sandbox.url)
        child.expect("API key")
        child.sendline(newcomer.sandbox.key)
        child.expect("Saved to")
    assert newcomer.sandbox.url in newcomer.shell("codex-transform whoami")


@pytest.mark.parametrize("command", [each for each in readme.QUESTIONS if "config" in each])
def test_config_asks_before_it_writes(command: str, newcomer: Newcomer) -> None:
    file = newcomer.home / ".config" / "opencode" / "opencode.json"
    adds = "--uninstall" not in command
    if not adds:
        newcomer.shell("codex-transform config --reverse http://127.0.0.1:8080/v1 --yes")
    with newcomer.terminal(command) as child:
        child.expect(r"Write this\?")
        child.sendline("y")
    written = json.loads(file.read_text()).get("provider", {}).get("openai", {})
    assert ("gpt-5.3-codex" in written.get("models", {})) == adds
    address = json.loads(ENGLISH.blocks("json")[0])["provider"]["openai"]["options"]
    # The address is written and removed only with --reverse.
    assert (written.get("options") == address) == (adds == ("--reverse" in command))


# -- ending -----------------------------------------------------------------------------------------------------------


def test_the_instructions_for_agents_work(newcomer: Newcomer) -> None:
    """Runs the commands in order, without the installation; the user logs in in between."""
    commands = [command for command in ENGLISH.agent_commands() if command not in readme.INSTALLS]
    login = commands.index("codex-transform whoami")
    before, after = commands[:login], commands[login:]
    for command in before:
        newcomer.shell(command)
    newcomer.log_in()
    output = {command: newcomer.shell(command) for command in after}
    assert len(output) >= 5
    assert newcomer.sandbox.url in output["codex-transform whoami"]
    assert "openai/gpt-5.3-codex" in output["codex-transform run opencode models openai"].split()
    assert "✗" not in output["codex-transform doctor"]
    assert "[sandbox]" in output[after[-1]]


def test_the_other_commands(newcomer: Newcomer) -> None:
    output = {command: newcomer.shell(command) for command in readme.ENDING if command not in ENGLISH.agent_commands()}
    hello = 'codex-transform run opencode run -m openai/gpt-5.3-codex --variant high "say hello"'
    assert "[sandbox]" in output[hello]
    assert any(entry["body"].get("reasoning", {}).get("effort") == "high" for entry in newcomer.sandbox.requests)
    assert "gpt-5.3-codex" in output["codex-transform usage"]
    assert "0 of 20.0M" in output["codex-transform clients list"]
    assert output["codex-transform clients rotate alice"].startswith("ct-")
    assert "sent as gpt-5.1-codex with effort high" in output["codex-transform models gpt-5-codex-high"]
    assert "no longer" in output["codex-transform logout"]
    assert newcomer.wait_until_gone(), newcomer.leftovers()
