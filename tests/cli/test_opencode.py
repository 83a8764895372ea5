"""`run opencode`: the real OpenCode in a real terminal, as a new user starts it.

test_readme_commands.py has it answer single prompts.
"""

import io
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


def test_the_full_screen_works_until_ctrl_c_and_the_terminal_is_restored(coder: Person, sandbox: Sandbox) -> None:
    """It starts, answers a typed prompt, and Ctrl-C leaves nothing behind.

    The shell then finds the same settings, the cursor shown, and the normal screen.
    """
    script = "stty -a > before; codex-transform run opencode && echo again; stty -a > after"
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
    child.logfile_read = shown = io.StringIO()
    sandbox.forget()
    try:
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
        child.expect("again\r\n")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)
    said = shown.getvalue()
    assert (coder.project / "before").read_text() == (coder.project / "after").read_text()
    assert said.rindex("\x1b[?1049l") > said.rfind("\x1b[?1049h")
    assert said.rindex("\x1b[?25h") > said.rfind("\x1b[?25l")
    assert coder.wait_until_gone(), coder.leftovers()
    assert subprocess.run(
        ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], capture_output=True, check=False
    ).returncode
