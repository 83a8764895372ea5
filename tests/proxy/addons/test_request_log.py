"""Request logs: within their limits, and never in the way of a request."""

import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons, tflow, tutils
from support.running import mitmdump

from codex_transform import sandbox as sandboxes
from codex_transform.proxy.addons import request_log
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.request_log import RequestLog
from codex_transform.proxy.rotating_folder import RotatingFolder

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "sk-of-the-endpoint-000000"


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_oldest_files_are_removed(tmp_path: Path) -> None:
    folder = RotatingFolder(tmp_path / "logs", max_files=3)
    for number in range(10):
        folder.write(later(number), f"{number}-before", b"{}")
    assert names(folder.path) == [f"20260101T00000{number}.000000-{number}-before.json" for number in (7, 8, 9)]


def test_a_large_file_replaces_many_small_ones(tmp_path: Path) -> None:
    folder = RotatingFolder(tmp_path / "logs", max_bytes=100)
    for number in range(10):
        folder.write(later(number), str(number), b"0123456789")
    folder.write(later(10), "large", b"x" * 85)
    assert [name.split("-")[1] for name in names(folder.path)] == ["9.json", "large.json"]
    with pytest.raises(OSError, match="more than the folder may hold"):
        folder.write(later(11), "too-large", b"x" * 101)
    assert len(names(folder.path)) == 2


@given(st.lists(st.integers(0, 120), max_size=30), st.integers(1, 5), st.booleans())
def test_the_limits_hold_after_each_file(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], max_files: int, reopen: bool
) -> None:
    path = tmp_path_factory.mktemp("bounds")
    folder = RotatingFolder(path, 100, max_files)
    for number, size in enumerate(sizes):
        if reopen:
            folder = RotatingFolder(path, 100, max_files)
        try:
            folder.write(later(number), "x", b"x" * size)
        except OSError:
            assert size > 100
            continue
        files = sorted(path.iterdir())
        assert len(files) <= max_files
        assert sum(file.stat().st_size for file in files) <= 100
        assert files[-1].stat().st_size == size


def test_files_of_earlier_runs_count(tmp_path: Path) -> None:
    for number in range(5):
        RotatingFolder(tmp_path, max_files=10).write(later(number), "x", b"{}")
    RotatingFolder(tmp_path, max_files=2).write(later(5), "x", b"{}")
    assert [name[:15] for name in names(tmp_path)] == ["20260101T000004", "20260101T000005"]


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("request-1-before.json", "notes.txt", "20260101-x.json"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    folder = RotatingFolder(tmp_path, max_bytes=10, max_files=1)
    for number in range(3):
        folder.write(later(number), "x", b"0123456789")
    assert names(tmp_path) == [
        "20260101-x.json",
        "20260101T000002.000000-x.json",
        "notes.txt",
        "request-1-before.json",
    ]


def test_two_proxies_share_the_limits(tmp_path: Path) -> None:
    """Each rescans the folder now and then, and ignores that the other has removed a file."""
    one, two = RotatingFolder(tmp_path, max_files=20), RotatingFolder(tmp_path, max_files=20)
    for number in range(200):
        one.write(later(2 * number), "one", b"{}")
        two.write(later(2 * number + 1), "two", b"{}")
    assert len(names(tmp_path)) <= 40
    RotatingFolder(tmp_path, max_files=20).write(later(1000), "three", b"{}")
    assert len(names(tmp_path)) == 20


@pytest.mark.skipif(os.name != "posix", reason="POSIX file modes")
def test_only_the_user_may_read_the_files(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir(mode=0o755)
    for path in (old, tmp_path / "new" / "logs"):
        RotatingFolder(path).write(START, "x", b"{}")
        assert path.stat().st_mode & 0o777 == 0o700
        (file,) = path.iterdir()
        assert file.stat().st_mode & 0o777 == 0o600


Make = Callable[..., RequestLog]


@pytest.fixture
async def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Makes a request log that is enabled."""
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config({"CODEX_API_KEY": KEY})
    logs: list[RequestLog] = []
    with taddons.context(Proxyserver(), config) as context:
        context.configure(config, codex_log_requests=True)

        def make() -> RequestLog:
            logs.append(RequestLog(config))
            return logs[-1]

        yield make
    for log in logs:
        log.done()


def flow(body: bytes) -> http.HTTPFlow:
    return tflow.tflow(req=tutils.treq(method=b"POST", path=b"/v1/responses", content=body))


def entries_of(log: RequestLog) -> list[dict[str, Any]]:
    log.done()
    return [json.loads(path.read_text()) for path in sorted(log.folder.path.iterdir())]


async def test_bodies_that_are_no_valid_json_are_logged(make: Make) -> None:
    log = make()
    bodies = [b"", b"not json", b'{"a": "\\ud83d"}', b"\xff\xfe", b"[" * 100_000, b'{"n": 12345678901234567890123}']
    for body in bodies:
        log.log_request(flow(body), "before")
    entries = entries_of(log)
    assert len(entries) == len(bodies)
    assert entries[1]["body"] == "not json"
    assert {entry["stage"] for entry in entries} == {"before"}


async def test_a_key_in_a_conversation_is_redacted(make: Make) -> None:
    log = make()
    log.log_request(flow(json.dumps({"input": f"my config says {KEY}"}).encode()), "before")
    (entry,) = entries_of(log)
    assert entry["body"]["input"] == "my config says sk-…0000"


async def test_headers_with_secrets_are_redacted(make: Make) -> None:
    log, one = make(), flow(b"{}")
    one.request.headers.update({"Authorization": f"Bearer {KEY}", "Cookie": "a=b", "X-Api-Key": "k"})
    log.log_request(one, "after")
    (entry,) = entries_of(log)
    assert {name: value for name, value in entry["headers"] if value == "…"}.keys() == {
        "Authorization",
        "Cookie",
        "X-Api-Key",
    }


async def test_a_folder_that_cannot_be_created_gives_one_warning(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    log = make()
    log.folder.path.parent.mkdir(parents=True)
    log.folder.path.write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            log.log_request(flow(b"{}"), "before")
        log.done()
    (record,) = caplog.records
    assert "codex_log_requests" in record.getMessage()


class SlowFolder(RotatingFolder):
    """A folder on a slow disk: it writes nothing until `ready` is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.ready = threading.Event()

    def write(self, moment: datetime, name: str, data: bytes) -> None:
        self.ready.wait(30)
        super().write(moment, name, data)


async def test_a_slow_disk_does_not_fill_memory(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    log = make()
    slow = log.folder = SlowFolder(log.folder.path)
    body = b'"' + b"x" * 9_999_998 + b'"'
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            log.log_request(flow(body), "before")
        slow.ready.set()
        entries = entries_of(log)
    assert len(entries) == request_log.MAX_WAITING_BYTES // len(body)
    (record,) = caplog.records
    assert "too slow" in record.getMessage()


async def test_requests_after_the_end_are_ignored(make: Make) -> None:
    log = make()
    log.done()
    log.log_request(flow(b"{}"), "before")
    assert not log.folder.path.exists()


def test_requests_are_served_although_logs_cannot_be_written(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".opencode" / "logs").mkdir(parents=True)
    (home / ".opencode" / "logs" / "codex-plugin").write_text("a file where the folder should be")
    with sandboxes.running() as sandbox, mitmdump(home, sandbox, ENABLE_PLUGIN_REQUEST_LOGGING="1") as proxy:
        for _ in range(3):
            assert proxy.send({"model": "gpt-5.1-codex", "input": "say hello", "stream": True})[0] == 200
        proxy.wait_for("cannot write a request log")
        assert proxy.send(b"[]")[0] == 400
    assert proxy.log.count("cannot write a request log") == 1
