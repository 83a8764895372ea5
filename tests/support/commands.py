"""A person at the command line: with a home and a project, and commands that run to their end or in a terminal."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pexpect
import pytest

from codex_transform import catalog
from codex_transform.cli import main
from codex_transform.sandbox import Sandbox
from support import leftovers
from support.running import ROOT
from support.waiting import eventually

COMMAND = [sys.executable, "-m", "codex_transform"]


class Person:
    """A person who has only this package; every command gets `variables` in its environment."""

    def __init__(self, top: Path) -> None:
        self.home, self.project, self.temporary = top / "home", top / "project", top / "temporary"
        for folder in (self.home, self.project, self.temporary):
            folder.mkdir()
        self.variables: dict[str, str] = {}

    @property
    def config(self) -> Path:
        return self.home / ".opencode" / "openai-codex-auth-config.json"

    @property
    def logs(self) -> str:
        """The logs of the proxies of `run`."""
        files = sorted((self.home / ".opencode" / "logs").glob("proxy-*.log"))
        return "".join(file.read_text("utf-8") for file in files)

    def uses(self, sandbox: Sandbox) -> None:
        """Set this sandbox as the endpoint in the environment of later commands."""
        self.variables |= {"CODEX_BASE_URL": sandbox.url, "CODEX_API_KEY": sandbox.key}

    def environ(self, **variables: str) -> dict[str, str]:
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "LANG": "C.UTF-8",
            # Nothing listens there, so the instructions come from the fallback.
            "CODEX_CATALOG_URL": "http://127.0.0.1:9/none",
        }
        return base | self.variables | variables

    def run(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command without a terminal until it ends; `stdin` is its standard input."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=self.environ(**variables),
            cwd=self.project,
            input=stdin,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def call(self, *arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Do the same in this process, which takes a tenth of the time.

        For what a command does; that each is a program, test_group.py and test_readme_commands.py show.
        """
        entered, output, errors = (io.TextIOWrapper(io.BytesIO(each), "utf-8") for each in (stdin.encode(), b"", b""))
        with (
            patch.dict(os.environ, self.environ(**variables), clear=True),
            patch.object(sys, "stdin", entered),
            redirect_stdout(output),
            redirect_stderr(errors),
            chdir(self.project),
        ):
            with pytest.raises(SystemExit) as end:
                main.main(list(arguments), prog_name="codex-transform")
            # What a command has learnt ends with its process.
            catalog.learn(())
        output.seek(0)
        errors.seek(0)
        assert end.value.code is None or isinstance(end.value.code, int)
        return subprocess.CompletedProcess(arguments, end.value.code or 0, output.read(), errors.read())

    @contextmanager
    def at_terminal(self, *arguments: str, **variables: str) -> Iterator[Any]:
        """Run a command in its own terminal, as pexpect's child, until the block is left."""
        child = pexpect.spawn(
            COMMAND[0],
            [*COMMAND[1:], *arguments],
            env=self.environ(**{"TERM": "xterm-256color", **variables}),
            cwd=str(self.project),
            dimensions=(40, 120),
            encoding="utf-8",
            codec_errors="replace",
            timeout=60,
        )
        try:
            yield child
        finally:
            child.close(force=True)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command in its own session, without input; return it once it has printed `begun`."""
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environ(**variables),
            cwd=self.project,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert process.stdout is not None
        output = ""
        for line in process.stdout:
            output += line
            if line == "begun\n":
                return process
        raise AssertionError(output)

    def leftovers(self) -> list[str]:
        """Return the processes that were started with this person's temporary folder and are still running."""
        return leftovers.processes(self.temporary)

    def wait_until_gone(self) -> bool:
        """Wait until none of them is running; return False if some are after a while."""
        return eventually(lambda: not self.leftovers())
