"""Backends: a test that connects to one runs with every kind."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from support.redis_server import RedisServer, redis_server

from codex_transform.settings.state_url import parse
from codex_transform.state.backend import Backend
from codex_transform.state.redis_backend import RedisBackend
from codex_transform.state.sqlite_backend import SqliteBackend

Connect = Callable[[], Backend]


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["sqlite", "redis", "rediss", "unix"])
def connect(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """Opens another connection to the same backend, which is empty at first."""
    backends: list[Backend] = []
    new: Connect
    if request.param == "sqlite":
        new = partial(SqliteBackend, tmp_path / "a" / "state.sqlite")
    else:
        server: RedisServer = request.getfixturevalue("redis")
        server.clear()
        monkeypatch.setenv("SSL_CERT_FILE", str(server.ca))
        urls = {"redis": server.url, "rediss": server.tls_url, "unix": server.socket_url}
        new = partial(RedisBackend, parse(urls[request.param]))

    def go() -> Backend:
        backends.append(new())
        return backends[-1]

    yield go
    for backend in backends:
        backend.close()
