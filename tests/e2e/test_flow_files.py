"""The content of the files that mitmproxy writes, which open without the addon."""

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.io import read_flows_from_paths
from support.running import MITMDUMP, ROOT, mitmdump

from codex_transform.redaction import redact
from codex_transform.sandbox import Sandbox
from codex_transform.usage import log_line
from codex_transform.usage.record_reader import read_record

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

CLIENTS_KEY = "sk-the-clients-own-0123456789"
HELLO: dict[str, Any] = {"model": "gpt-5-codex", "input": "say hello", "stream": True, "prompt_cache_key": "k"}


def read(path: Path) -> list[http.HTTPFlow]:
    return [flow for flow in read_flows_from_paths([path]) if isinstance(flow, http.HTTPFlow)]


def opened(path: Path, home: Path, *options: str | Path) -> str:
    """Return what mitmdump prints about a flow file."""
    home.mkdir(exist_ok=True)
    done = subprocess.run(
        [MITMDUMP, "-n", "-r", path, "--flow-detail", "4", *options],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "CODEX_CATALOG_URL": "http://127.0.0.1:9/none"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Path:
    """The folder in which a proxy has written what it could: a stream, the same again, an answer in one piece, a
    failure."""
    folder = tmp_path_factory.mktemp("saved")
    files = ("-w", str(folder / "flows"), "--set", f"hardump={folder / 'all.har'}")
    with mitmdump(folder / "home", shared_sandbox, *files) as proxy:
        assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 200
        assert proxy.send(HELLO)[0] == 200
        assert proxy.send({**HELLO, "stream": False})[0] == 200
        shared_sandbox.misbehave("plain-500", times=1)
        assert proxy.send(HELLO)[0] == 500
    return folder


def test_a_saved_flow_has_the_request_response_and_record(saved: Path) -> None:
    first, second, whole, failed = read(saved / "flows")
    record = read_record(first.metadata["codex"])
    assert record
    assert (record.asked, record.model, record.outcome) == ("gpt-5-codex", "gpt-5.1-codex", "completed")
    assert record.instructions
    assert record.cache
    assert record.cache.cause == "first"
    assert record.first_token is not None
    assert record.total is not None
    assert 0 < record.first_token <= record.total < 60
    assert record.changes
    assert {"model", "input", "store", "instructions"} <= {change.path for change in record.changes}
    assert first.comment == log_line.flow_comment(record)
    assert "% cached)" in second.comment
    unread = read_record(whole.metadata["codex"])
    assert unread
    assert unread.first_token is None
    assert failed.marked == log_line.FAILED
    assert "500 server_error" in failed.comment


def test_the_saved_response_is_what_the_client_got(saved: Path) -> None:
    first, _, whole, _ = read(saved / "flows")
    assert first.response
    assert (first.response.raw_content or b"").startswith(b"event: response.created")
    assert b"[sandbox]" in (first.response.raw_content or b"")
    assert first.response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in first.response.headers
    assert whole.response
    assert whole.response.json()["status"] == "completed"


def test_the_saved_original_is_what_the_client_sent(saved: Path) -> None:
    first = read(saved / "flows")[0]
    original = first.metadata["codex_original"]
    assert json.loads(original["content"]) == HELLO
    assert (original["method"], original["url"]) == ("POST", "http://api.openai.com/v1/responses")
    assert ["authorization", f"Bearer {redact(CLIENTS_KEY)}"] in original["headers"]
    assert first.request.json()["model"] == "gpt-5.1-codex"


def test_a_har_file_has_the_answers(saved: Path) -> None:
    entries = json.loads((saved / "all.har").read_text())["log"]["entries"]
    texts = [entry["response"]["content"]["text"] for entry in entries]
    assert all("[sandbox]" in text for text in texts[:3])
    assert "gpt-5.1-codex" in entries[0]["request"]["postData"]["text"]


def test_the_file_opens_without_the_addon(saved: Path, tmp_path: Path) -> None:
    said = opened(saved / "flows", tmp_path / "home")
    assert said.count("/backend-api/codex/responses") >= 4
    assert "event: response.completed" in said


def test_the_file_opens_with_the_addon_and_is_neither_changed_nor_counted(saved: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    said = opened(saved / "flows", tmp_path / "home", "-s", ROOT / "addon.py", "-w", copy)
    # The content view.
    assert "gpt-5-codex → gpt-5.1-codex" in said
    assert "A plain string becomes the user message that it stands for." in said
    once, again = read(saved / "flows"), read(copy)
    assert [flow.metadata for flow in once] == [flow.metadata for flow in again]
    assert [(flow.comment, flow.marked) for flow in once] == [(flow.comment, flow.marked) for flow in again]
    assert [flow.request.raw_content for flow in once] == [flow.request.raw_content for flow in again]
    assert not (tmp_path / "home" / ".opencode" / "codex-usage.sqlite").exists()


def test_a_call_whose_client_left_is_saved_and_loaded_unchanged(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.misbehave("hang-before-head", times=1)
    path = tmp_path / "flows"
    body = json.dumps(HELLO).encode()
    head = f"POST http://api.openai.com/v1/responses HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    with mitmdump(tmp_path / "home", sandbox, "-w", str(path)) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port)) as client:
            client.sendall(head.encode() + body)
            assert sandbox.wait(lambda requests: len(requests) == 1)
        proxy.wait_for("client left")
    (flow,) = read(path)
    assert flow.response is None
    assert flow.marked == log_line.LEFT
    copy = tmp_path / "copy"
    opened(path, tmp_path / "other-home", "-s", ROOT / "addon.py", "-w", copy)
    (again,) = read(copy)
    assert again.response is None
    assert (again.request.raw_content, again.comment) == (flow.request.raw_content, flow.comment)
