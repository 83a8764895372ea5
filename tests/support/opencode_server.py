"""A real OpenCode as a server, used over HTTP as its own terminal client does."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import programs
import pytest

from support import needed
from support.running import OpenCode, Proxy

CODEX = "gpt-5.3-codex"
LISTENING = re.compile(r"http://127\.0\.0\.1:(\d+)")


@dataclass
class Server:
    """A running OpenCode server."""

    port: int
    project: Path

    def call(self, path: str, body: object = None) -> Any:
        client = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            method = "GET" if body is None else "POST"
            sent = json.dumps(body) if body else None
            client.request(method, path, sent, {"content-type": "application/json"})
            answer = client.getresponse()
            content = answer.read()
            assert answer.status < 300, content
            return json.loads(content) if content else None
        finally:
            client.close()

    def session(self) -> str:
        return str(self.call("/session", {"title": "a session of the tests"})["id"])

    def ask(
        self, session: str, prompt: str, *files: dict[str, Any], model: str = CODEX, variant: str | None = None
    ) -> list[dict[str, Any]]:
        """Send a prompt with these parts; return all messages of the session once the answer is complete."""
        message = self._prompt(prompt, model) | ({"variant": variant} if variant else {})
        self.call(f"/session/{session}/message", {**message, "parts": [*files, *message["parts"]]})
        return list(self.call(f"/session/{session}/message"))

    def begin(self, session: str, prompt: str) -> None:
        """Send a prompt without waiting for the answer."""
        self.call(f"/session/{session}/prompt_async", self._prompt(prompt))

    def status(self, session: str, kind: str) -> dict[str, Any]:
        """Wait until the session's status is of this kind, and return it."""
        pause = threading.Event()
        for _ in range(400):
            status: dict[str, Any] = self.call("/session/status").get(session, {"type": "idle"})
            if status["type"] == kind:
                return status
            pause.wait(0.05)
        raise AssertionError(f"the session never became {kind}, but stayed {status}")

    @staticmethod
    def _prompt(text: str, model: str = CODEX) -> dict[str, Any]:
        return {"model": {"providerID": "openai", "modelID": model}, "parts": [{"type": "text", "text": text}]}


@contextmanager
def listening(command: list[str | Path], project: Path, environ: dict[str, str]) -> Iterator[int]:
    """Run a server of OpenCode 1 or 2 until the block is left, and yield its port."""
    with subprocess.Popen(
        command,
        cwd=project,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            output = ""
            for line in process.stdout:
                output += line
                if found := LISTENING.search(line):
                    break
            else:
                pytest.fail(f"OpenCode ended: {output}")
            yield int(found[1])
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def serving(
    folder: Path,
    proxy: Proxy,
    version: str = programs.OPENCODE,
    configure: Callable[[OpenCode], object] = lambda _: None,
) -> Iterator[Server]:
    """Run OpenCode as a server behind the proxy, with a home and a project in `folder`, once that is configured."""
    program = needed.opencode(version)
    home, project = folder / "server-home", folder / "server-project"
    home.mkdir()
    project.mkdir()
    configure(OpenCode(program, home, project))
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PWD": str(project),
        "OPENAI_API_KEY": "sk-dummy-of-the-client-0000",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "HTTPS_PROXY": proxy.url,
        "NODE_EXTRA_CA_CERTS": str(proxy.ca),
    }
    command: list[str | Path] = [program, "serve", "--hostname", "127.0.0.1", "--port", "0"]
    with listening(command, project, variables) as port:
        yield Server(port, project)


def texts(messages: list[dict[str, Any]]) -> list[str]:
    """Return the texts that the model wrote, as kept in the session."""
    answers = [message for message in messages if message["info"]["role"] == "assistant"]
    parts = [part for message in answers for part in message["parts"]]
    # A text that was begun and discarded stays as an empty one.
    return [part["text"] for part in parts if part["type"] == "text" and part["text"]]
