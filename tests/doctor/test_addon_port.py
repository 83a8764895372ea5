"""What listens on a port: our addon, something else, nothing."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from support.raw_host import raw_host
from support.running import Proxy, mitmdump
from support.threaded_server import ThreadedServer

from codex_transform import sandbox as sandboxes
from codex_transform.doctor.addon_port import identify_listener
from codex_transform.people import register
from codex_transform.people.person import Limits, new_person
from codex_transform.sandbox import Sandbox
from codex_transform.status.identity import answer, mode_of


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with sandboxes.running() as running:
        yield running


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox) -> Iterator[Proxy]:
    with mitmdump(tmp_path_factory.mktemp("proxy") / "home", sandbox) as running:
        yield running


def test_our_proxy_is_recognized_without_a_request_to_the_endpoint(proxy: Proxy, sandbox: Sandbox) -> None:
    assert identify_listener("127.0.0.1", proxy.port) == "addon"
    assert not sandbox.requests
    proxy.wait_for("client disconnect")
    assert "server connect" not in proxy.log
    assert "<< 200 OK" in proxy.log
    assert "refused a client" not in proxy.log


def test_our_proxy_in_reverse_mode_is_recognized(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmdump(tmp_path / "home", sandbox, "--mode", f"reverse:{sandbox.url}") as running:
        assert identify_listener("127.0.0.1", running.port, reverse=True) == "addon"
        assert identify_listener("127.0.0.1", running.port) == "wrong mode"


def test_our_proxy_is_no_reverse_proxy_unless_it_was_started_as_one(proxy: Proxy) -> None:
    assert identify_listener("127.0.0.1", proxy.port, reverse=True) == "wrong mode"


def test_only_reverse_mode_is_a_base_url(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmdump(tmp_path / "home", sandbox, "--mode", f"upstream:{sandbox.url}") as running:
        assert identify_listener("127.0.0.1", running.port) == "addon"
        assert identify_listener("127.0.0.1", running.port, reverse=True) == "wrong mode"


def test_a_web_server_is_something_else() -> None:
    with raw_host() as host:
        assert identify_listener("127.0.0.1", host.port) == "other"


def test_a_server_that_never_answers_is_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert identify_listener("127.0.0.1", server.getsockname()[1]) == "other"


def test_an_endless_response_is_given_up_in_time() -> None:
    """The server sends a byte now and then, so a timeout for each read alone would not end it."""

    class Dripping(ThreadedServer):
        def serve(self, client: socket.socket) -> None:
            pause = threading.Event()
            for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
                client.sendall(bytes([byte]))
                pause.wait(0.05)

    with closing(Dripping()) as server:
        began = time.monotonic()
        assert identify_listener("127.0.0.1", server.port) == "other"
        assert time.monotonic() - began < 60


def test_nothing_listens_on_a_port_that_refuses_connections() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert identify_listener("127.0.0.1", taken.getsockname()[1]) == "nobody"


def test_our_proxy_is_recognized_whatever_its_hosts_are(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmdump(tmp_path / "home", sandbox, CODEX_HOSTS="host.invalid") as running:
        assert identify_listener("127.0.0.1", running.port) == "addon"


def test_our_proxy_is_recognized_without_a_key(tmp_path: Path, sandbox: Sandbox) -> None:
    """Where people have keys, `doctor` has none."""
    person, _ = new_person("alice", Limits())
    register.save(tmp_path / "home" / ".opencode" / "codex-clients.json", [person])
    with mitmdump(tmp_path / "home", sandbox) as running:
        assert identify_listener("127.0.0.1", running.port) == "addon"
        running.wait_for("client disconnect")
        assert "refused a client" not in running.log


@pytest.mark.parametrize(("status", "body"), [(200, b""), (200, b"{}"), (200, b"<html>"), (404, answer("proxy"))])
def test_other_responses_are_not_taken_for_the_proxys(status: int, body: bytes) -> None:
    assert mode_of(status, body) is None
