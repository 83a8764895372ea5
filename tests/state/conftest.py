"""Backends: a test that connects to one runs with every kind."""

from collections.abc import Callable, Iterator
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


@pytest.fixture(params=["sqlite", "redis", "unix"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connect]:
    """Opens another connection to the same backend, which is empty at first."""
    backends: list[Backend] = []

    def go() -> Backend:
        if request.param == "sqlite":
            backends.append(SqliteBackend(tmp_path / "a" / "state.sqlite"))
        else:
            server: RedisServer = request.getfixturevalue("redis")
            backends.append(RedisBackend(parse(server.url if request.param == "redis" else server.socket_url)))
        return backends[-1]

    if request.param != "sqlite":
        request.getfixturevalue("redis").clear()
    yield go
    for backend in backends:
        backend.close()
