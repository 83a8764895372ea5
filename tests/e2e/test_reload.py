"""mitmproxy reloads a changed addon.py: whatever is wrong with it, no request is forwarded unchanged."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.listener import Listener, listener
from support.running import MITMDUMP, ROOT, Proxy, serving
from support.wire import error, post, status, talk

from codex_transform import sandbox as sandboxes

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

FAILS = """
class Fails:
    def load(self, loader):
        raise RuntimeError("no luck")
addons = [Fails()]
"""
BROKEN = {
    "syntax": ("def :\n", "SyntaxError"),
    "import": ("from codex_transform import not_there\n", "not_there"),
    "package": ("import codex_transform_of_tomorrow\n", "codex_transform_of_tomorrow"),
    "load": (FAILS, "no luck"),
}


class Checkout:
    """A checkout in which mitmdump runs; the host that it intercepts really exists."""

    def __init__(self, folder: Path, target: Listener) -> None:
        self.addon, self.target = folder / "addon.py", target
        (folder / "codex_transform").symlink_to(ROOT / "codex_transform")
        shutil.copy(ROOT / "addon.py", self.addon)
        self.proxy: Proxy | None = None
        self._saved = self.addon.stat().st_mtime

    def save(self, text: str) -> None:
        """Write addon.py with a later time than before, because mitmproxy compares file times."""
        self.addon.write_text(text)
        self._saved += 10
        os.utime(self.addon, (self._saved, self._saved))

    def post(self) -> bytes:
        assert self.proxy
        target = f"127.0.0.1:{self.target.port}".encode()
        key = b"Authorization: Bearer sk-the-clients-own-0123456789\r\n"
        return talk(self.proxy.port, post(b"http://%s/v1/responses" % target, key, host=target))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    folder = tmp_path_factory.mktemp("checkout")
    with listener() as target, sandboxes.running() as endpoint:
        checkout = Checkout(folder, target)
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "CODEX_BASE_URL": endpoint.url,
            "CODEX_API_KEY": endpoint.key,
            "CODEX_HOSTS": f"127.0.0.1:{target.port}",
            "CODEX_CATALOG_URL": "http://127.0.0.1:9/none",
            "PYTHONUNBUFFERED": "1",
        }
        command: list[str | Path] = [MITMDUMP, "-s", checkout.addon, "--listen-host", "127.0.0.1", "--listen-port", "0"]
        with serving(command, environ, folder, folder, fault="has crashed") as checkout.proxy:
            yield checkout


@pytest.mark.parametrize("fault", BROKEN)
def test_after_a_failed_reload_no_request_is_forwarded(checkout: Checkout, fault: str) -> None:
    proxy, good = checkout.proxy, checkout.addon.read_text()
    assert proxy
    assert status(checkout.post()) == 200
    text, named = BROKEN[fault]
    seen = len(proxy.lines)
    checkout.save(text)
    proxy.wait_for(named, since=seen)
    refused = checkout.post()
    assert status(refused) == 502
    assert named in error(refused)["message"]
    assert error(refused)["code"] == "addon_not_loaded"
    seen = len(proxy.lines)
    checkout.save(good)
    proxy.wait_for("the package codex_transform was not", since=seen)
    assert status(checkout.post()) == 200
    assert checkout.target.received == []
