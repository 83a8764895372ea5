"""What doctor says of `codex_state`."""

from pathlib import Path

import pytest
from support.redis_server import PASSWORD, RedisServer, redis_server

from codex_transform.doctor import shared_state
from codex_transform.doctor.result import DoctorContext, Result
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings.loader import load
from codex_transform.state.sqlite_backend import SqliteBackend


@pytest.fixture
def server(tmp_path: Path) -> RedisServer:
    with redis_server(tmp_path / "redis") as running:
        return running  # it has been stopped again


def said(home: Path, state: str, *, offline: bool = False) -> list[Result]:
    loaded = load({"codex_state": state}, {}, home / "none.json", OpenCodeConfig())
    assert not loaded.problems
    context = DoctorContext({}, home, home, loaded, OpenCodeConfig(), (), offline=offline)
    results = list(shared_state.backend(context))
    assert PASSWORD not in repr(results)
    return results


def test_nothing_is_said_of_memory(tmp_path: Path) -> None:
    assert said(tmp_path, "memory") == said(tmp_path, "off") == []


def test_a_file(tmp_path: Path) -> None:
    (result,) = said(tmp_path, "disk")
    assert result.mark == "ok"
    file = tmp_path / ".opencode" / "codex-state.sqlite"
    assert not file.exists()
    backend = SqliteBackend(file)
    backend.put("a", b"1", 100)
    backend.close()
    (result,) = said(tmp_path, "disk")
    assert (result.mark, "SQLite 3." in result.message) == ("ok", True)
    for each in tmp_path.glob(".opencode/codex-state.sqlite*"):
        each.write_bytes(b"no database at all" * 100)
    (result,) = said(tmp_path, "disk")
    assert (result.mark, "cannot be used" in result.message) == ("fault", True)


def test_a_server(tmp_path: Path, server: RedisServer) -> None:
    (result,) = said(tmp_path, server.url)
    assert result.mark == "fault"
    assert f"redis://:…@127.0.0.1:{server.port}/1 cannot be used" in result.message
    assert said(tmp_path, server.url, offline=True)[0].mark == "ok"
    server.start()
    for url in (server.url, server.socket_url):
        (result,) = said(tmp_path, url)
        assert result.mark == "ok"
        assert result.message.split()[0] in ("Redis", "Valkey")
    server.stop()
