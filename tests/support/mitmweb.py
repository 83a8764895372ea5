"""A real mitmweb, and its API as its page uses it."""

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
    """mitmweb with the addon, set up for the sandbox, and the address of its page, password included."""
    # It cannot choose a port by itself and say which.
    with reserved() as port:
        web = ("--no-web-open-browser", "--web-port", str(port))
        with mitmdump(home, sandbox, *web, *options, program=MITMWEB, **environ) as proxy:
            yield proxy, proxy.wait_for(r"Web server listening at (\S+)")[1]


class Api:
    """What the page at an address can ask for."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._root = f"http://{parts.netloc}"
        # mitmproxy 12 wants a password, and says it; 11 has none.
        (password,) = parse_qs(parts.query).get("token", [""])
        # Against forged requests mitmweb wants the same token as header and as cookie, which each version names anew.
        token = "0123456789abcdef" * 2
        self._headers = {"X-XSRFToken": token, "Cookie": f"_xsrf={token}; _mitmproxy_xsrf={token}"}
        self._headers |= {"Authorization": f"Bearer {password}", "Content-Type": "application/json"}

    def fetch(self, path: str, content: object = None, method: str | None = None) -> bytes:
        """What is there; `content`, if any, is posted as JSON."""
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self._root + path, data, self._headers, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bytes(answer.read())

    def run(self, command: str, *arguments: str) -> Any:
        """What a command gives; a text that begins with `error` if it went wrong."""
        answer = json.loads(self.fetch(f"/commands/{command}", {"arguments": arguments}))
        return f"error: {answer['error']}" if "error" in answer else answer["value"]

    def flows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.fetch("/flows"))
        return found
