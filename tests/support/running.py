"""The real programs of the end-to-end tests: a running mitmdump, and an OpenCode with its own home."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol

from codex_transform import paths
from codex_transform.instructions import cache as instructions_cache
from codex_transform.instructions.cache import Entry
from codex_transform.sandbox import Sandbox
from support.forks import CAN_FORK, Forked
from support.waiting import eventually

OPENCODE_AGENT = "opencode/1.18.33"
"""OpenCode's user agent, for requests that are to be treated as its own."""

ROOT = Path(__file__).resolve().parents[2]
CLIENT = [sys.executable, str(ROOT / "tests" / "support" / "urllib_client.py")]
MITMDUMP = Path(sys.executable).with_name("mitmdump.exe" if os.name == "nt" else "mitmdump")
# Names that are hidden from the addon during a whole test run: see e2e/gate/test_without_patches.py.
_HIDDEN = {name: os.environ[name] for name in ("PYTHONPATH", "CODEX_TEST_HIDE") if "CODEX_TEST_HIDE" in os.environ}

NO_HOST = "http://127.0.0.1:9/none"
"""Nothing listens there."""

LISTENING = re.compile(r"proxy(?: to \S+| \(upstream mode\))? listening at (?:\w+://)?127\.0\.0\.1:(\d+)")


class Endpoint(Protocol):
    """What the proxy needs to know of an endpoint: the sandbox, or a test's own server."""

    @property
    def url(self) -> str: ...

    @property
    def key(self) -> str: ...


@dataclass
class Proxy:
    """A running mitmdump."""

    process: subprocess.Popen[str] | Forked
    home: Path
    lines: list[str] = field(default_factory=list)
    port: int = 0
    ended: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        return self.home / ".mitmproxy" / "mitmproxy-ca-cert.pem"

    def is_ready(self) -> bool:
        """Return whether the certificate file is complete."""
        return self.ca.exists() and b"END CERTIFICATE" in self.ca.read_bytes()

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def wait_for(self, pattern: str, seconds: float = 60, *, since: int = 0) -> re.Match[str]:
        """Wait for a match of `pattern` in the log from line `since` on, and return it; fail with the log otherwise."""
        found: list[re.Match[str]] = []

        def matches_or_ended() -> bool:
            match = re.search(pattern, "".join(self.lines[since:]))
            if match:
                found.append(match)
            return bool(match) or self.ended

        with self.changed:
            self.changed.wait_for(matches_or_ended, seconds)
        assert found, f"mitmdump never printed {pattern!r}:\n{self.log}"
        return found[0]

    def port_of(self, what: str, address: str) -> int:
        """Return the port of an additional mode."""
        return int(self.wait_for(rf"{what}(?: to \S+)? listening at {re.escape(address)}:(\d+)")[1])

    def send(
        self, body: object, path: str = "/v1/responses", method: str = "POST", **headers: str
    ) -> tuple[int, Message, bytes]:
        """Send a request as a client that trusts the proxy, and return the status, headers and body of the response.

        `body` is JSON unless it is bytes. Plain http to api.openai.com is ours as well, and needs no certificate.
        """
        client = HTTPConnection("127.0.0.1", self.port, timeout=60)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            client.request(method, f"http://api.openai.com{path}", content, named)
            answer = client.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            client.close()

    def read(self) -> None:
        """Collect the log; runs in a thread until mitmdump ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()


@contextmanager
def _watched(process: subprocess.Popen[str] | Forked, home: Path) -> Iterator[Proxy]:
    """Collect a proxy's log, and end it by Ctrl-C when the block is left."""
    proxy = Proxy(process, home)
    reader = threading.Thread(target=proxy.read, daemon=True)
    reader.start()
    with process:
        try:
            yield proxy
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)  # a busy machine needs a while to close hundreds of connections
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            reader.join(5)


def cache_instructions(home: Path, model: str, text: str) -> None:
    """Put Codex instructions for a model into a home, as if they had been fetched; `mitmdump` cannot fetch others."""
    entry = Entry(root=NO_HOST, ref="main", path="p", etag=None, checked=time.time(), texts={model: text})
    failures: list[str] = []
    instructions_cache.save(paths.cache_folder(home), entry, failures.append)
    assert not failures


@contextmanager
def mitmdump(
    home: Path, endpoint: Endpoint, *options: str, program: str | Path | None = None, **environ: str | None
) -> Iterator[Proxy]:
    """Run mitmdump, or another of mitmproxy's programs, with the addon, set up for the endpoint.

    `environ` replaces variables; None removes one. At the end the log must contain neither a traceback nor the key.
    """
    home.mkdir(exist_ok=True)
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "CODEX_BASE_URL": endpoint.url,
        "CODEX_API_KEY": endpoint.key,
        # So the instructions come from the fallback, as on a network without GitHub.
        "CODEX_CATALOG_URL": NO_HOST,
        # A test's endpoint may never answer, so the proxy must not wait for that.
        "CODEX_DRAIN_TIMEOUT": "0",
        "PYTHONUNBUFFERED": "1",
        **_HIDDEN,
        **environ,
    }
    environment = {name: value for name, value in variables.items() if value is not None}
    arguments = ["-s", str(ROOT / "addon.py"), "--listen-host", "127.0.0.1", "--listen-port", "0", *options]
    process: subprocess.Popen[str] | Forked
    for_python = [name for name in (*environ, *_HIDDEN) if name.startswith(("PYTHON", "LANG", "LC_"))]
    if CAN_FORK and program is None and not for_python:
        process = Forked(arguments, environment, home)
    else:
        process = subprocess.Popen(
            [program or MITMDUMP, *arguments],
            env=environment,
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    with _watched(process, home) as proxy:
        try:
            proxy.port = int(proxy.wait_for(LISTENING.pattern)[1])
            # The certificate is the last thing that mitmproxy prepares.
            assert eventually(proxy.is_ready), proxy.log
            yield proxy
        finally:
            # If it ends while a client is connected, asyncio reports the cancelled connections, which is no fault.
            log = proxy.log if process.poll() is None else ""
    for fault in ("Traceback", "has crashed", endpoint.key):
        assert fault not in log, log


@contextmanager
def serving(
    command: Sequence[str | Path],
    environ: dict[str, str],
    cwd: Path,
    home: Path,
    sign: re.Pattern[str] = LISTENING,
    fault: str = "Traceback",
) -> Iterator[Proxy]:
    """Run a command that is a proxy in the foreground, and end it by Ctrl-C; its exit status must be 0.

    It is ready when it prints `sign`, whose first group is the port; it must never print `fault`.
    """
    process = subprocess.Popen(
        command,
        env=environ,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    with _watched(process, home) as proxy:
        proxy.port = int(proxy.wait_for(sign.pattern)[1])
        yield proxy
    assert process.returncode == 0, proxy.log
    assert fault not in proxy.log


@dataclass
class OpenCode:
    """A real OpenCode with its own home and project."""

    program: Path
    home: Path
    project: Path

    def run(
        self, *arguments: str, environ: dict[str, str] | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run `opencode` with these arguments in the project."""
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PWD": str(self.project),
            "OPENAI_API_KEY": "sk-dummy-of-the-client-0000",
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
            **(environ or {}),
        }
        return subprocess.run(
            [self.program, *arguments],
            cwd=self.project,
            env=variables,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def through(self, proxy: Proxy, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `opencode` with the proxy as its HTTPS proxy."""
        environ = {"HTTPS_PROXY": proxy.url, "NODE_EXTRA_CA_CERTS": str(proxy.ca)}
        return self.run(*arguments, environ=environ, timeout=timeout)

    def configure(self, text: str) -> None:
        folder = self.home / ".config" / "opencode"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "opencode.json").write_text(text)

    def configured(self, *arguments: str) -> Path:
        """Write the configuration by `codex-transform config` in its home, and return the file."""
        done = subprocess.run(
            [sys.executable, "-m", "codex_transform", "config", "--yes", *arguments],
            cwd=self.project,
            env={"HOME": str(self.home), "PYTHONPATH": str(ROOT), "PATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        return self.home / ".config" / "opencode" / "opencode.json"


def conversation(sandbox: Sandbox) -> list[dict[str, Any]]:
    """Return the bodies of OpenCode's requests with tools, in order of arrival; those without are for titles."""
    return [entry["body"] for entry in sandbox.requests if entry["body"].get("tools")]
