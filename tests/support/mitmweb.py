"""A real mitmweb, and the API that its page uses."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from codex_transform.sandbox import Sandbox
from support.ports import reserved
from support.running import MITMDUMP, Proxy, mitmdump

MITMWEB = MITMDUMP.with_name(MITMDUMP.name.replace("dump", "web"))


@contextmanager
def mitmweb(home: Path, sandbox: Sandbox, *options: str, **environ: str) -> Iterator[tuple[Proxy, str]]:
    """Run mitmweb with the addon, set up for the sandbox, and yield it and the URL of its page with the password."""
    # mitmweb cannot choose a free port and report it.
    with reserved() as port:
        web = ("--no-web-open-browser", "--web-port", str(port))
        with mitmdump(home, sandbox, *web, *options, program=MITMWEB, **environ) as proxy:
            yield proxy, proxy.wait_for(r"Web server listening at (\S+)")[1]


class Api:
    """The API behind the page at a URL."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._root = f"http://{parts.netloc}"
        # mitmproxy 12 requires a password, and prints it; 11 has none.
        (password,) = parse_qs(parts.query).get("token", [""])
        # Against forged requests mitmweb requires one token as header and cookie, whose names differ by version.
        token = "0123456789abcdef" * 2
        self._headers = {"X-XSRFToken": token, "Cookie": f"_xsrf={token}; _mitmproxy_xsrf={token}"}
        self._headers |= {"Authorization": f"Bearer {password}", "Content-Type": "application/json"}

    def fetch(self, path: str, content: object = None, method: str | None = None) -> bytes:
        """Return the response body for a path; `content`, if given, is posted as JSON."""
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self._root + path, data, self._headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bytes(answer.read())

    def run(self, command: str, *arguments: str) -> Any:
        """Run a command and return its result; a text that begins with `error` if it failed."""
        answer = json.loads(self.fetch(f"/commands/{command}", {"arguments": arguments}))
        return f"error: {answer['error']}" if "error" in answer else answer["value"]

    def flows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.fetch("/flows"))
        return found
