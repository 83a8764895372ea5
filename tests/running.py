"""The real programs as the end-to-end tests see them: a running mitmdump, an OpenCode with a home of its own."""

import os
import re
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

LISTENING = re.compile(r"proxy(?: to \S+)? listening at (?:\w+://)?127\.0\.0\.1:(\d+)")


@dataclass
class Proxy:
    """A running mitmdump."""

    process: subprocess.Popen[str]
    home: Path
    lines: list[str] = field(default_factory=list)
    port: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ca(self) -> Path:
        return self.home / ".mitmproxy" / "mitmproxy-ca-cert.pem"

    @property
    def log(self) -> str:
        return "".join(self.lines)

    def wait_for(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """The first match of `pattern` in the log, waited for; fails with the log."""
        found: list[re.Match[str]] = []

        def seen() -> bool:
            match = re.search(pattern, self.log)
            if match:
                found.append(match)
            return bool(match) or self.process.poll() is not None

        with self.changed:
            self.changed.wait_for(seen, seconds)
        assert found, f"mitmdump never said {pattern!r}:\n{self.log}"
        return found[0]

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()


@dataclass
class OpenCode:
    """A real OpenCode with a home and a project of its own."""

    program: Path
    home: Path
    project: Path

    def run(
        self, *arguments: str, environ: dict[str, str] | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """`opencode` with these arguments, in the project."""
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
        """The same, with the proxy as its HTTPS proxy."""
        environ = {"HTTPS_PROXY": proxy.url, "NODE_EXTRA_CA_CERTS": str(proxy.ca)}
        return self.run(*arguments, environ=environ, timeout=timeout)

    def configure(self, text: str) -> None:
        folder = self.home / ".config" / "opencode"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "opencode.json").write_text(text)
