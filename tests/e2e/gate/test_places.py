"""Where the proxy connects: not to this machine unless the user chose that, and to other hosts without decryption."""

import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from support.certificates import certificate
from support.listener import Listener, listener
from support.neighbour import Neighbour
from support.running import Proxy
from support.wire import TUNNEL, error, post, status, talk

from codex_transform.sandbox import Sandbox

Start = Callable[..., Proxy]


@pytest.fixture(scope="module")
def service() -> Iterator[Listener]:
    """Another service on this machine."""
    with listener() as server:
        yield server


def own_addresses() -> list[str]:
    """This machine's address on the network, if it has one, and its name."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return [socket.gethostname()]
        return [probe.getsockname()[0], socket.gethostname()]


PLACES = ["127.0.0.1", "127.1", "127.0.0.2", "0x7f.1", "2130706433", "017700000001", "0", "0.0.0.0", "localhost"]
PLACES += ["LOCALHOST.", "my.localhost", "[::1]", "[::ffff:127.0.0.1]", "[::]", "[0:0:0:0:0:0:0:1]", "127.0.0.1."]


@pytest.mark.parametrize("place", [*PLACES, *own_addresses()])
def test_requests_to_this_machine_are_refused(quiet_proxy: Proxy, service: Listener, place: str) -> None:
    target = f"{place}:{service.port}".encode()
    for data in (
        TUNNEL % (target, target),
        TUNNEL % (target, b"elsewhere.example"),
        b"GET http://%s/ HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n" % target,
        b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % target,
        post(b"http://%s/v1/responses" % target),
    ):
        answer = talk(quiet_proxy.port, data)
        assert status(answer) in (403, 400), (data, answer)
        if status(answer) == 403:
            assert "NO_PROXY=localhost,127.0.0.1" in error(answer)["message"]
    assert service.received == []


@pytest.mark.parametrize("target", [b"/v1/responses", b"http://%s/v1/responses"])
def test_a_base_url_with_the_address_of_the_proxy_is_named_as_such(quiet_proxy: Proxy, target: bytes) -> None:
    own = b"127.0.0.1:%d" % quiet_proxy.port
    answer = talk(quiet_proxy.port, post(target.replace(b"%s", own), b"Connection: close\r\n", host=own))
    assert status(answer) == 403
    assert "this is the address of the proxy itself" in error(answer)["message"]
    assert "--mode reverse:" in error(answer)["message"]


REBINDING = """
import socket

resolve = socket.getaddrinfo


def rebound(host, port, family=0, type=0, proto=0, flags=0):
    asked = host in ("rebound.example", b"rebound.example") and not flags & socket.AI_NUMERICHOST
    return resolve("127.0.0.1" if asked else host, port, family, type, proto, flags)


socket.getaddrinfo = rebound
"""


def client_hello(name: str) -> bytes:
    """Return the first message of a TLS client."""
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    return sent.read()


def test_a_name_that_resolves_to_this_machine_is_refused(
    proxy: Start, tmp_path: Path, service: Listener, at: Callable[[str], str]
) -> None:
    """The name resolves to 127.0.0.1, which no request mentions."""
    service.forget()
    names = tmp_path / "names.py"
    names.write_text(REBINDING)
    running = proxy("-s", str(names), "--mode", "regular", "--mode", "socks5" + at("127.0.0.1"))
    target = b"rebound.example:%d" % service.port
    page = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert status(talk(running.port, page % (b"http://%s/" % target))) == 502
    socks = running.port_of("SOCKS v5 proxy", "127.0.0.1")
    for spoken in (page % b"/", client_hello("elsewhere.example"), b"SSH-2.0-client\r\n"):
        answer = talk(running.port, TUNNEL % (target, target) + spoken, until_closed=True)
        assert answer.partition(b"\r\n\r\n")[2] == b"" or b"502 Bad Gateway" in answer
        for host in (b"rebound.example", b"127.1", b"localhost"):
            asked = b"\x05\x01\x00\x05\x01\x00\x03" + bytes([len(host)]) + host + service.port.to_bytes(2, "big")
            assert b'"resp_1"' not in talk(socks, asked + spoken, until_closed=True)
    assert service.received == []
    running.wait_for("rebound.example port.*NO_PROXY=localhost,127.0.0.1,rebound.example")


def test_an_endpoint_or_upstream_proxy_on_this_machine_is_reached(
    proxy: Start, sandbox: Sandbox, service: Listener, at: Callable[[str], str]
) -> None:
    service.forget()
    further = (f"reverse:{service.url}", f"upstream:{service.url}")
    modes = ("regular", *(mode + at("127.0.0.1") for mode in further))
    running = proxy(*(option for mode in modes for option in ("--mode", mode)))
    page = b"GET %s HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n"
    reverse, upstream = (running.port_of(what, "127.0.0.1") for what in ("reverse proxy", r"\(upstream mode\)"))
    assert b'"resp_1"' in talk(reverse, page % b"/page")
    assert b'"resp_1"' in talk(upstream, page % b"http://elsewhere.example/page")
    assert [request.target for request in service.requests] == [b"/page", b"http://elsewhere.example/page"]
    # The upstream proxy is for mitmproxy to connect to, not for its clients.
    own = b"127.0.0.1:%d" % service.port
    assert status(talk(upstream, TUNNEL % (own, own))) == 403
    # Any path of the endpoint.
    answer = talk(running.port, page % b"%s/other" % sandbox.url.encode())
    assert b"x-codex-sandbox" in answer


SERVER = """
import socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
with socket.create_server((sys.argv[1], 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    listener.settimeout(60)
    while True:
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as client:
                client.sendall(b"untouched")
        except OSError:
            pass
"""


@pytest.mark.parametrize(
    ("connect", "name"),
    [(None, "private.example"), ("elsewhere.invalid", "api.openai.com"), ("api.openai.com", "private.example")],
)
def test_other_hosts_keep_their_own_certificate(
    quiet_proxy: Proxy, shared_sandbox: Sandbox, tmp_path: Path, stranger: Neighbour, connect: str | None, name: str
) -> None:
    """TLS is decrypted only if both the tunnel's target and the name in TLS are ours."""
    before = len(shared_sandbox.requests)
    both, trusted = certificate(tmp_path, "private.example", "api.openai.com")
    command = stranger.command(sys.executable, "-c", SERVER, stranger.address, both)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            host = f"{connect or stranger.address}:{server.stdout.readline().strip()}".encode()
            tunnel = socket.create_connection(("127.0.0.1", quiet_proxy.port), timeout=30)
            tunnel.sendall(TUNNEL % (host, host))
            assert b" 200 " in tunnel.recv(4096)
            trust = ssl.create_default_context(cafile=str(trusted))
            if connect:
                # No server has that name here. What matters is that mitmproxy did not answer.
                with pytest.raises(OSError, match=r"EOF|reset|closed"):
                    trust.wrap_socket(tunnel, server_hostname=name)
            else:
                with trust.wrap_socket(tunnel, server_hostname=name) as client:
                    assert client.recv(16) == b"untouched"
        finally:
            server.terminate()
    assert len(shared_sandbox.requests) == before
