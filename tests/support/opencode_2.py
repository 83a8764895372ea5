"""The preview of OpenCode 2: a server in the foreground or background, used over HTTP as its terminal client does."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from support import needed
from support.opencode_server import LISTENING, listening
from support.running import Proxy
from support.waiting import eventually

CODEX = "gpt-5.3-codex"


@dataclass
class Preview:
    """OpenCode 2 with a home and a project of its own."""

    program: Path
    home: Path
    project: Path

    @property
    def state(self) -> Path:
        """The file with the address of the background server."""
        return self.home / ".local" / "state" / "opencode" / "server.json"

    def environ(self, **variables: str) -> dict[str, str]:
        base = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PWD": str(self.project),
            "OPENAI_API_KEY": "sk-dummy-of-the-client-0000",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
        }
        return base | variables

    def configure(self, value: object) -> None:
        folder = self.home / ".config" / "opencode"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "opencode.json").write_text(json.dumps(value))

    def service(self, command: str, **variables: str) -> str:
        """Run a command for the background server and return its output."""
        done = subprocess.run(
            [self.program, "service", command],
            cwd=self.project,
            env=self.environ(**variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout.strip()

    def background(self) -> "Server2":
        """Return the background server, which must be running."""
        state = json.loads(self.state.read_text())
        port = LISTENING.search(state["url"])
        assert port
        return Server2(int(port[1]), self)

    @contextmanager
    def serving(self, **variables: str) -> Iterator["Server2"]:
        """Run a server in the foreground with these variables."""
        command: list[str | Path] = [self.program, "serve", "--port", "0"]
        with listening(command, self.project, self.environ(**variables)) as port:
            yield Server2(port, self)


def preview(folder: Path) -> Preview:
    """Return the preview, with a new home and project in `folder`."""
    created = Preview(needed.opencode_2(), folder / "home-of-2", folder / "project-of-2")
    created.home.mkdir()
    created.project.mkdir()
    if git := shutil.which("git"):
        subprocess.run([git, "init", "--quiet", created.project], check=True)
    return created


def through(proxy: Proxy) -> dict[str, str]:
    """Return the variables for a server behind a proxy."""
    return {"HTTPS_PROXY": proxy.url, "NODE_EXTRA_CA_CERTS": str(proxy.ca)}


@dataclass
class Server2:
    """A running server of OpenCode 2."""

    port: int
    preview: Preview

    def call(self, path: str, body: object = None, method: str = "") -> Any:
        password = (self.preview.state.parent / "password").read_text().strip()
        login = base64.b64encode(f"opencode:{password}".encode()).decode()
        headers = {"content-type": "application/json", "authorization": f"Basic {login}"}
        client = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            sent = None if body is None else json.dumps(body)
            client.request(method or ("GET" if body is None else "POST"), path, sent, headers)
            answer = client.getresponse()
            content = answer.read()
            assert answer.status < 300, content
            return json.loads(content) if content else None
        finally:
            client.close()

    def session(self, model: str = CODEX, variant: str | None = None) -> str:
        model_reference = {"id": model, "providerID": "openai", **({"variant": variant} if variant else {})}
        body = {"model": model_reference, "location": {"directory": str(self.preview.project)}}
        return str(self.call("/api/session", body)["data"]["id"])

    def begin(self, session: str, prompt: str) -> None:
        """Send a prompt without waiting for the answer."""
        self.call(f"/api/session/{session}/prompt", {"prompt": {"text": prompt}})

    def ask(self, session: str, prompt: str) -> list[dict[str, Any]]:
        """Send a prompt; return all messages of the session, oldest first, once the answer is complete."""
        earlier = len(self.messages(session))
        self.begin(session, prompt)
        found: list[dict[str, Any]] = []

        def is_answered() -> bool:
            found[:] = self.messages(session)
            new = [each for each in found[earlier:] if each["type"] == "assistant"]
            return bool(new) and "completed" in new[-1]["time"] and new[-1].get("finish") != "tool-calls"

        assert eventually(is_answered, 60), found
        return found

    def messages(self, session: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.call(f"/api/session/{session}/message")["data"]
        return messages[::-1]


def texts(messages: list[dict[str, Any]]) -> list[str]:
    """Return the texts that the model wrote."""
    parts = [part for each in messages if each["type"] == "assistant" for part in each["content"]]
    return [part["text"] for part in parts if part["type"] == "text"]
