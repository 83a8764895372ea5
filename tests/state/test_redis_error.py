"""Errors of real Redis servers that cannot be used: what is wrong, and how to fix it."""

from collections.abc import Iterator

import pytest
from support.ports import reserved
from support.redis_server import PASSWORD, RedisServer, redis_server

from codex_transform.settings.state_url import parse
from codex_transform.state.redis_backend import RedisBackend
from codex_transform.values import Unavailable


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


def error_of(url: str) -> Unavailable:
    """The error for a server that cannot be used."""
    backend = RedisBackend(parse(url))
    try:
        with pytest.raises(Unavailable) as caught:
            backend.check()
    finally:
        backend.close()
    error = caught.value
    assert PASSWORD not in f"{error}{error.fix}"
    assert not str(error).endswith(".")
    assert not error.fix.endswith(".")
    return error


def test_a_missing_password(server: RedisServer) -> None:
    error = error_of(f"redis://127.0.0.1:{server.port}/3")
    assert str(error) == "the server requires a password"
    assert error.fix == f"write it into codex_state: redis://:PASSWORD@127.0.0.1:{server.port}/3"
    error = error_of(f"unix://{server.folder}/redis.sock")
    assert error.fix == f"write it into codex_state: unix://:PASSWORD@{server.folder}/redis.sock"


@pytest.mark.parametrize("user", ["", "bob"])
def test_a_wrong_user_or_password(user: str, server: RedisServer) -> None:
    error = error_of(f"redis://{user}:{PASSWORD[:4]}@127.0.0.1:{server.port}")
    assert str(error) == "the server does not accept the user or the password"
    assert PASSWORD[:4] not in f"{error}{error.fix}"


def test_a_user_without_permissions(server: RedisServer) -> None:
    from redis import Redis

    with Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "guest", "on", ">guests", "~*", "+get", "+select")
    error = error_of(f"redis://guest:guests@127.0.0.1:{server.port}")
    assert "permission" in error.fix


def test_a_database_that_does_not_exist(server: RedisServer) -> None:
    assert "database" in error_of(server.url.removesuffix("/1") + "/999").fix


def test_tls_to_a_plain_port(server: RedisServer) -> None:
    assert "redis:// if its port has no TLS" in error_of(server.url.replace("redis:", "rediss:")).fix


def test_no_server_at_the_address() -> None:
    with reserved() as port:
        assert error_of(f"redis://127.0.0.1:{port}").fix == "start that server, or correct its address in codex_state"
    error_of("unix:///nowhere/at/all")


def test_no_tls_to_a_tls_port_and_an_untrusted_certificate(server: RedisServer) -> None:
    assert "rediss://" in error_of(f"redis://127.0.0.1:{server.tls_port}").fix
    assert "SSL_CERT_FILE" in error_of(server.tls_url).fix
