"""What is said of a Redis server that cannot be used, by real servers: what is wrong, and what to change."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.certificates import certificate
from support.ports import reserved
from support.redis_server import PASSWORD, RedisServer, redis_server
from support.waiting import eventually

from codex_transform.settings.state_url import parse
from codex_transform.state.redis_backend import RedisBackend
from codex_transform.values import Unavailable


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@contextmanager
def with_tls(program: str, folder: Path) -> Iterator[int]:
    """The port of a server that speaks TLS only, with a certificate that nobody trusts."""
    both, _ = certificate(folder)
    with reserved() as port:
        command = [program, "--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--save", ""]
        files = ["--tls-cert-file", str(both), "--tls-key-file", str(both), "--tls-ca-cert-file", str(both)]
        process = subprocess.Popen([*command, *files, "--dir", str(folder)], stdout=subprocess.DEVNULL)
        try:
            yield port
        finally:
            process.kill()
            process.wait()


def problem(url: str) -> Unavailable:
    """The error of a server that cannot be used."""
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


def test_a_password_that_is_missing(server: RedisServer) -> None:
    error = problem(f"redis://127.0.0.1:{server.port}/3")
    assert str(error) == "the server requires a password"
    assert error.fix == f"write it into codex_state: redis://:PASSWORD@127.0.0.1:{server.port}/3"
    error = problem(f"unix://{server.folder}/redis.sock")
    assert error.fix == f"write it into codex_state: unix://:PASSWORD@{server.folder}/redis.sock"


@pytest.mark.parametrize("user", ["", "bob"])
def test_a_password_that_is_wrong(user: str, server: RedisServer) -> None:
    error = problem(f"redis://{user}:{PASSWORD[:4]}@127.0.0.1:{server.port}")
    assert str(error) == "the server does not accept the user or the password"
    assert PASSWORD[:4] not in f"{error}{error.fix}"


def test_a_user_without_rights(server: RedisServer) -> None:
    from redis import Redis

    with Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "guest", "on", ">guests", "~*", "+get", "+select")
    error = problem(f"redis://guest:guests@127.0.0.1:{server.port}")
    assert "permission" in error.fix


def test_a_database_that_is_not_there(server: RedisServer) -> None:
    assert "database" in problem(server.url.removesuffix("/1") + "/999").fix


def test_tls_to_a_plain_port(server: RedisServer) -> None:
    assert "redis:// if its port has no TLS" in problem(server.url.replace("redis:", "rediss:")).fix


def test_nobody_there() -> None:
    with reserved() as port:
        assert problem(f"redis://127.0.0.1:{port}").fix == "start that server, or correct its address in codex_state"
    problem("unix:///nowhere/at/all")


def test_a_plain_connection_to_a_port_with_tls_and_an_unknown_authority(server: RedisServer, tmp_path: Path) -> None:
    with with_tls(server.program, tmp_path) as port:
        assert eventually(lambda: "rediss://" in problem(f"redis://127.0.0.1:{port}").fix, 20)
        assert "SSL_CERT_FILE" in problem(f"rediss://127.0.0.1:{port}").fix
