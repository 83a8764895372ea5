"""Who may use the proxy: clients on this machine, and others only if that is allowed and they have a password."""

import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.memory import Memory
from support.neighbour import Neighbour
from support.running import Proxy
from support.waiting import eventually
from support.wire import TUNNEL, error, post, status, talk

from codex_transform.people import register
from codex_transform.people.person import Limits, new_person
from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate

Start = Callable[..., Proxy]


def refusals(proxy: Proxy, stranger: Neighbour) -> list[str]:
    """Return the log lines about refused clients."""
    return [line for line in proxy.lines if f"refused a client at {stranger.address}:" in line]


def test_strangers_get_a_403_before_their_request_is_read(
    proxy: Start, sandbox: Sandbox, stranger: Neighbour, at: Callable[[str], str]
) -> None:
    further = ("regular", f"upstream:{sandbox.url}", f"reverse:{sandbox.url}", "socks5")
    modes = ("regular", *(mode + at(stranger.ours) for mode in further))
    running = proxy(*(option for mode in modes for option in ("--mode", mode)))
    for mode in (r"HTTP\(S\) proxy", r"HTTP\(S\) proxy \(upstream mode\)", "reverse proxy"):
        port = running.port_of(mode, stranger.ours)
        for data in (
            post(),
            post(b"/v1/responses"),
            b"GET http://elsewhere.example/secret HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n",
            b"GET /secret HTTP/1.1\r\nHost: localhost\r\n\r\n",
            TUNNEL % (b"api.openai.com:443", b"api.openai.com:443"),
            TUNNEL % (b"elsewhere.example:443", b"elsewhere.example:443"),
            b"\r\n\r\n",
        ):
            answer = stranger.talk(port, data)
            assert status(answer) == 403, (mode, data, answer)
            assert "codex_allow_remote" in error(answer)["message"]
            assert error(answer)["type"] == "permission_error"
    greeting = b"\x05\x01\x00" + b"\x05\x01\x00\x03\x0eapi.openai.com\x01\xbb"
    assert stranger.talk(running.port_of("SOCKS v5 proxy", stranger.ours), greeting) == b""
    assert sandbox.requests == []
    assert eventually(lambda: len(refusals(running, stranger)) >= 3 * 7 + 1)
    assert len(refusals(running, stranger)) == 3 * 7 + 1
    assert all("codex_allow_remote" in line for line in refusals(running, stranger))
    assert "secret" not in running.log
    # The same address, from this machine.
    with socket.create_connection(
        (stranger.ours, running.port_of(r"HTTP\(S\) proxy", stranger.ours)), timeout=30
    ) as own:
        own.sendall(post(extra=b"Connection: close\r\n"))
        assert status(own.recv(65536)) == 200


def test_a_stranger_who_uses_tls_gets_the_403_over_tls(proxy: Start, stranger: Neighbour) -> None:
    running = proxy("--mode", "regular", "--mode", f"reverse:https://api.openai.com@{stranger.ours}:0")
    port = running.port_of("reverse proxy", stranger.ours)
    program = (
        "import socket, ssl, sys; context = ssl.create_default_context(cafile=sys.argv[3]);"
        "context.set_alpn_protocols(['h2', 'http/1.1']);"
        "raw = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20);"
        "client = context.wrap_socket(raw, server_hostname='api.openai.com');"
        "client.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); print(client.recv(4096))"
    )
    command = stranger.command(sys.executable, "-c", program, stranger.ours, port, running.ca)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "HTTP/1.1 403 " in done.stdout
    assert "codex_allow_remote" in done.stdout


def test_a_strangers_body_takes_no_memory(proxy: Start, stranger: Neighbour) -> None:
    running = proxy("--mode", "regular", "--mode", f"regular@{stranger.ours}:0")
    port = running.port_of(r"HTTP\(S\) proxy", stranger.ours)
    stranger.talk(port, post())
    memory = Memory(running)
    answer = stranger.talk(port, post(length=b"300000000", body=b""), more=300_000_000 // 65536)
    assert answer == b"" or status(answer) == 403  # lost when the connection is cut while the client still sends
    assert memory.growth() < 30_000 * 1024
    assert eventually(lambda: len(refusals(running, stranger)) == 2)


def test_strangers_with_a_password_are_served(proxy: Start, sandbox: Sandbox, stranger: Neighbour) -> None:
    running = proxy(
        *("--mode", "regular", "--mode", f"regular@{stranger.ours}:0"),
        *("--set", "codex_allow_remote=true", "--proxyauth", "me:secret"),
    )
    port = running.port_of(r"HTTP\(S\) proxy", stranger.ours)
    answer = stranger.talk(port, post(extra=b"Connection: close\r\n"))
    assert status(answer) == 407
    allowed = b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\nConnection: close\r\n"
    assert status(stranger.talk(port, post(extra=allowed))) == 200
    (entry,) = sandbox.requests
    assert "proxy-authorization" not in entry["headers"]
    loopback = b"http://127.0.0.1:%d/" % running.port
    answer = stranger.talk(port, post(loopback, allowed))
    assert status(answer) == 403
    assert "NO_PROXY" in error(answer)["message"]


@pytest.mark.parametrize("options", [(), ("--proxyauth", "any")], ids=["none", "any password"])
def test_remote_use_without_a_password_is_refused_to_everybody(
    options: tuple[str, ...], proxy: Start, sandbox: Sandbox
) -> None:
    running = proxy(*options, CODEX_ALLOW_REMOTE="1")
    running.wait_for("codex_allow_remote is on.*--proxyauth")
    answer = talk(running.port, post(extra=b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"))
    assert status(answer) == 403
    assert "--proxyauth" in error(answer)["message"]
    assert sandbox.requests == []


def test_strangers_with_a_key_reach_only_the_endpoint(
    proxy: Start, sandbox: Sandbox, stranger: Neighbour, at: Callable[[str], str], tmp_path: Path
) -> None:
    person, key = new_person("alice", Limits())
    register.save(tmp_path / "proxy-home" / ".opencode" / "codex-clients.json", [person])
    further = (f"reverse:{sandbox.url}", "socks5", f"upstream:{sandbox.url}")
    modes = ("regular", *(mode + at(stranger.ours) for mode in ("regular", *further)))
    running = proxy(*(option for mode in modes for option in ("--mode", mode)), CODEX_ALLOW_REMOTE="1")
    port, reverse = running.port_of(r"HTTP\(S\) proxy", stranger.ours), running.port_of("reverse proxy", stranger.ours)
    known = b"Authorization: Bearer %s\r\n" % key.encode()
    assert status(stranger.talk(port, post())) == 401
    assert status(stranger.talk(reverse, post(b"/v1/responses"))) == 401
    assert status(stranger.talk(reverse, post(b"/other"))) == 401
    for extra in (b"", known):
        for data in (
            b"GET http://elsewhere.example/ HTTP/1.1\r\nHost: elsewhere.example\r\n" + extra + b"\r\n",
            b"GET http://api.openai.com/v1/files HTTP/1.1\r\nHost: api.openai.com\r\n" + extra + b"\r\n",
            TUNNEL % (b"elsewhere.example:443", b"elsewhere.example:443"),
            TUNNEL % (b"127.0.0.1:22", b"127.0.0.1:22"),
            TUNNEL % (sandbox.url.split("/")[2].encode(), b"localhost"),
        ):
            answer = stranger.talk(port, data)
            assert status(answer) == 403, (data, answer)
            assert "--proxyauth" in error(answer)["message"]
    assert sandbox.requests == []
    # A tunnel to a host of ours carries only requests of ours: no other protocol, no other name.
    tunnel = TUNNEL % (b"api.openai.com:443", b"api.openai.com:443")
    for bytes_of_another_kind in (b"SSH-2.0-x\r\n" * 10, b"\x00" * 50, b"hello\r\n\r\n", b"P"):
        answer = stranger.talk(port, tunnel + bytes_of_another_kind)
        assert answer.startswith(b"HTTP/1.1 200 "), answer
    running.wait_for("refused a client at .*only for the Responses API")
    program = (
        "import socket, ssl, sys; raw = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=20);"
        "raw.sendall(bytes.fromhex(sys.argv[3])); print(raw.recv(4096)); context = ssl._create_unverified_context();"
        "client = context.wrap_socket(raw, server_hostname=sys.argv[4]);"
        "client.sendall(bytes.fromhex(sys.argv[5])); print(client.recv(4096))"
    )

    def in_tunnel(name: str, data: bytes) -> str:
        arguments = (program, stranger.ours, port, tunnel.hex(), name, data.hex())
        command = stranger.command(sys.executable, "-c", *arguments)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout

    elsewhere = b"GET /secret HTTP/1.1\r\nHost: elsewhere.example\r\n" + known + b"\r\n"
    for name in ("elsewhere.example", "api.openai.com"):
        assert "HTTP/1.1 403 " in in_tunnel(name, elsewhere)
    assert "HTTP/1.1 401 " in in_tunnel("api.openai.com", post(b"/v1/responses"))
    greeting = b"\x05\x01\x00" + b"\x05\x01\x00\x03\x0eapi.openai.com\x01\xbb"
    assert stranger.talk(running.port_of("SOCKS v5 proxy", stranger.ours), greeting) == b""
    assert sandbox.requests == []
    for number, data in ((port, post(extra=known)), (reverse, post(b"/v1/responses", known))):
        assert status(stranger.talk(number, data)) == 200
    background = b'{"model": "gpt-5.1", "input": "hi", "background": true}'
    made = post(extra=known, length=b"%d" % len(background), body=background)
    assert status(stranger.talk(port, made)) == 200
    assert "HTTP/1.1 200 " in in_tunnel("api.openai.com", post(b"/v1/responses", known))
    assert sandbox.wait(lambda requests: len(requests) == 4)


def test_listening_on_other_interfaces_is_warned_of(proxy: Start, stranger: Neighbour) -> None:
    modes = ("regular", f"regular@{stranger.ours}:0", "socks5@0.0.0.0:0", "regular@::1:0")
    running = proxy(*(option for mode in modes for option in ("--mode", mode)))
    running.wait_for("socks5@0.0.0.0:0 mode listens on 0.0.0.0.*--listen-host 127.0.0.1")
    running.wait_for(re.escape(f"regular@{stranger.ours}:0 mode listens on {stranger.ours}"))
    assert len(re.findall("mode listens on", running.log)) == 2
