"""`run opencode`: the real OpenCode in a real terminal, as a new user starts it."""

import json
import re
import shutil
import subprocess
import threading

import pexpect
import pytest
from support import needed
from support.commands import COMMAND, Person

from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate


@pytest.fixture
def coder(person: Person, sandbox: Sandbox) -> Person:
    """A person with OpenCode on the PATH, who has logged in and chosen a model."""
    folder = person.home / "bin"
    folder.mkdir()
    (folder / "opencode").symlink_to(needed.opencode())
    done = person.run("login", "--base-url", sandbox.url, "--api-key-stdin", stdin=sandbox.key)
    assert done.returncode == 0, done.stderr
    settings = person.home / ".config" / "opencode"
    settings.mkdir(parents=True)
    (settings / "opencode.json").write_text(json.dumps({"model": "openai/gpt-5.3-codex"}))
    person.variables |= {
        "PATH": f"{folder}:/usr/bin:/bin",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }
    if git := shutil.which("git"):
        subprocess.run([git, "init", "--quiet", person.project], check=True)
    return person


def test_a_single_prompt_is_answered(coder: Person) -> None:
    done = coder.run("run", "opencode", "run", "say hello", PWD=str(coder.project))
    assert done.returncode == 0, done.stderr + coder.logs
    assert "[sandbox]" in done.stdout
    assert coder.wait_until_gone()


def test_the_full_screen_works_until_ctrl_c(coder: Person, sandbox: Sandbox) -> None:
    """It starts, answers a typed prompt, and Ctrl-C leaves nothing behind."""
    sandbox.forget()
    with coder.at_terminal("run", "opencode", PWD=str(coder.project)) as child:
        child.expect("Ask anything")
        # What is typed before OpenCode reads the keyboard may be lost.
        waiting = threading.Event()
        for _ in range(20):
            child.send("say hello")
            if child.expect(["say hello", pexpect.TIMEOUT], timeout=1) == 0:
                break
            waiting.wait(0.1)
        child.send("\r")
        child.expect(r"\[sandbox\]")
        assert any("say hello" in json.dumps(entry["body"]["input"]) for entry in sandbox.requests)
        port = int(re.findall(r"proxy listening at 127\.0\.0\.1:(\d+)", coder.logs)[0])
        child.send("\x03")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 0
    assert coder.wait_until_gone(), coder.leftovers()
    assert subprocess.run(
        ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], capture_output=True, check=False
    ).returncode


def test_the_terminal_is_restored_afterwards(coder: Person) -> None:
    """The shell finds the same settings, the cursor shown, and the normal screen."""
    script = "stty -a > before; codex-transform run opencode; stty -a > after; echo again"
    command = coder.home / "bin" / "codex-transform"
    command.write_text(f'#!/bin/sh\nexec {" ".join(COMMAND)} "$@"\n')
    command.chmod(0o755)
    child = pexpect.spawn(
        "sh",
        ["-c", script],
        env=coder.environ(TERM="xterm-256color", PWD=str(coder.project)),
        cwd=str(coder.project),
        dimensions=(40, 120),
        encoding="utf-8",
        codec_errors="replace",
        timeout=60,
    )
    try:
        child.expect("Ask anything")
        child.send("\x03")
        child.expect("again\r\n")
        said = child.before
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    assert (coder.project / "before").read_text() == (coder.project / "after").read_text()
    assert said.rindex("\x1b[?1049l") > said.rfind("\x1b[?1049h")
    assert said.rindex("\x1b[?25h") > said.rfind("\x1b[?25l")
