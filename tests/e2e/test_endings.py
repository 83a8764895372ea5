"""mitmdump gets SIGTERM, or reloads its changed script, during answers."""

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.running import ROOT, Proxy, mitmdump
from support.waiting import eventually

from codex_transform.sandbox import Sandbox

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}

Start = Callable[..., Proxy]


@contextmanager
def begun(proxy: Proxy, misbehaviour: str) -> Iterator[socket.socket]:
    """Return a streaming request whose answer has begun."""
    body = json.dumps(HELLO).encode()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=30) as client:
        client.sendall(
            b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nHost: api.openai.com\r\nConnection: close\r\n"
            b"X-Sandbox-Misbehave: %s\r\nContent-Length: %d\r\n\r\n" % (misbehaviour.encode(), len(body)) + body
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        yield client


def rest(client: socket.socket) -> bytes:
    received = b""
    while piece := client.recv(65536):
        received += piece
    return received


@pytest.mark.skipif(os.name == "nt", reason="Windows knows no SIGTERM")
def test_sigterm_during_a_stream_ends_mitmdump_at_once(proxy: Start, sandbox: Sandbox) -> None:
    """It ends without errors; the client notices that its answer was cut, and the endpoint that its client left."""
    running = proxy(ENABLE_PLUGIN_REQUEST_LOGGING="1")
    with begun(running, "slow@200") as client:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
        assert b"response.completed" not in rest(client)
    assert sandbox.wait(lambda requests: bool(requests[0].get("cancelled")))
    logs = list((running.home / ".opencode" / "logs" / "codex-plugin").iterdir())
    assert sorted(json.loads(log.read_text())["stage"] for log in logs) >= ["after", "before"]


@pytest.fixture
def reloading(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, Path]]:
    """A proxy that runs a copy of the script, and that copy."""
    (tmp_path / "copy").mkdir()
    copy = Path(shutil.copy(ROOT / "addon.py", tmp_path / "copy"))
    monkeypatch.setattr("support.running.ROOT", copy.parent)
    # The key as an option, which the addon redacts in mitmproxy's options.
    option = ("--set", f"codex_api_key={sandbox.key}")
    with mitmdump(tmp_path / "home", sandbox, *option, CODEX_API_KEY=None, PYTHONPATH=str(ROOT)) as running:
        yield running, copy


def test_streams_go_on_while_the_script_is_reloaded(reloading: tuple[Proxy, Path], sandbox: Sandbox) -> None:
    """Answers in progress go on, later ones work with the same settings and key, and no thread is left."""
    proxy, copy = reloading
    folder = Path(f"/proc/{proxy.process.pid}")

    def threads() -> int:
        return len(list((folder / "task").iterdir())) if folder.exists() else 0

    proxy.send(HELLO)
    before = threads()
    with begun(proxy, "slow@100") as first, begun(proxy, "hang@4") as second:
        for times in (2, 3):
            os.utime(copy, (copy.stat().st_mtime + 10,) * 2)
            proxy.wait_for(r"(?s)" + ".*".join(["Loading script"] * times))
        assert b"response.completed" in rest(first)
        status, _, body = proxy.send({**HELLO, "stream": False})
        assert status == 200, body
        assert json.loads(body)["status"] == "completed"
        status, _, body = proxy.send(HELLO)
        assert status == 200
        assert b"response.completed" in body
        assert proxy.send(HELLO, x_sandbox_misbehave="cut@4")[2].count(b'"type":"error"') == 1
        second.close()
    assert sandbox.wait(lambda requests: bool(requests[2].get("cancelled")))
    assert eventually(lambda: threads() <= before), (before, threads())
