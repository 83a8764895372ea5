"""A real mitmdump behind a proxy that says who its clients are: who is believed, and what becomes of the address."""

import json
import re
import socket
import sqlite3
import ssl
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from support.running import OPENCODE_AGENT, Proxy, mitmdump
from support.scripted import ANSWER, Scripted, scripted
from support.waiting import eventually
from support.websocket import Client

from codex_transform.people import register
from codex_transform.people.person import Limits, new_person
from codex_transform.sandbox import Sandbox

CLIENT = "203.0.113.7"
V1 = f"PROXY TCP4 {CLIENT} 192.0.2.1 4711 8080\r\n".encode()
V2 = (
    b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0f"
    + socket.inet_aton(CLIENT)
    + socket.inet_aton("192.0.2.1")
    + struct.pack("!HH", 4711, 8080)
    + b"\x04\x00\x00"
)
FROM_PROXY = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
BODY = json.dumps({"model": "gpt-5.1-codex", "input": "say hello"}).encode()


@pytest.fixture
def key(tmp_path: Path) -> str:
    """The key of the one who may use the proxy."""
    person, key = new_person("alice", Limits())
    register.save(tmp_path / "home" / ".opencode" / "codex-clients.json", [person])
    return key


def behind(folder: Path, endpoint: Any, *options: str, **environ: str) -> Any:
    """mitmdump behind a trusted proxy at 127.0.0.1."""
    variables = {"CODEX_ALLOW_REMOTE": "1", "CODEX_TRUSTED_PROXIES": "127.0.0.1", **environ}
    return mitmdump(folder / "home", endpoint, *options, **variables)


def request(key: str, path: str = "/v1/responses", **headers: str) -> bytes:
    fields = {
        "Host": "api.openai.com",
        "Authorization": f"Bearer {key}",
        "Content-Length": str(len(BODY)),
        "User-Agent": OPENCODE_AGENT,
        "Connection": "close",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return b"".join(
        [
            f"POST {path} HTTP/1.1\r\n".encode(),
            *(f"{name}: {value}\r\n".encode() for name, value in fields.items()),
            b"\r\n",
            BODY,
        ]
    )


@contextmanager
def connection(proxy: Proxy, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    """A connection to the proxy from one of the addresses of loopback, of which Linux has many."""
    try:
        client = socket.create_connection(("127.0.0.1", proxy.port), timeout=30, source_address=(source, 0))
    except OSError as error:
        pytest.skip(f"{source} is no address of this machine: {error}")
    with client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client


def answer(client: socket.socket) -> tuple[int, bytes]:
    """Status and rest of all that comes, 0 if nothing does."""
    came = b""
    try:
        while piece := client.recv(65536):
            came += piece
    except ConnectionResetError:
        pass
    return (int(came.split(b" ")[1]), came) if came else (0, b"")


def ask(proxy: Proxy, *pieces: bytes, source: str = "127.0.0.1") -> tuple[int, bytes]:
    with connection(proxy, source) as client:
        for piece in pieces:
            client.sendall(piece)
        return answer(client)


def addresses(folder: Path) -> list[str | None]:
    with closing(sqlite3.connect(folder / "home" / ".opencode" / "codex-usage.sqlite")) as db:
        return [address for (address,) in db.execute("SELECT address FROM calls ORDER BY at")]


def test_x_forwarded_for_in_reverse_mode(tmp_path: Path, sandbox: Sandbox, key: str) -> None:
    with behind(tmp_path, sandbox, "--mode", f"reverse:{sandbox.url}", CODEX_LOG_FORMAT="json") as proxy:
        chain = f"127.0.0.1, 198.51.100.9, {CLIENT}"
        assert ask(proxy, request(key, X_Forwarded_For=chain, X_Forwarded_Proto="https", Forwarded="for=x"))[0] == 200
        proxy.wait_for(rf'"address": ?"{CLIENT}"')
        assert re.search(rf'"message": "gpt-5.1-codex .*alice .* {CLIENT} ', proxy.log)
        # Who comes from elsewhere may write what they like.
        assert ask(proxy, request(key, X_Forwarded_For=CLIENT), source="127.0.0.2")[0] == 200
        assert ask(proxy, request("sk-other", X_Forwarded_For=CLIENT))[0] == 401
        proxy.wait_for(rf"refused a client at {CLIENT}: 401")
        with connection(proxy) as plain:
            client = Client(plain)
            client.open(key, x_forwarded_for="198.51.100.9")
            client.response(input="one")
    assert addresses(tmp_path) == [CLIENT, None, "198.51.100.9"]
    for entry in sandbox.requests:
        assert not [name for name in entry["headers"] if "forwarded" in name]


def test_what_passes_the_proxy_has_no_addresses_either(tmp_path: Path, key: str) -> None:
    def play(endpoint: Scripted, client: socket.socket, _: int) -> None:
        endpoint.read(client)
        client.sendall(ANSWER)

    with scripted(play) as endpoint, behind(tmp_path, endpoint, "--mode", f"reverse:{endpoint.url}") as proxy:
        assert ask(proxy, request(key, "/anything", X_Forwarded_For=CLIENT, X_Real_IP=CLIENT))[0] == 200
        assert CLIENT.encode() not in endpoint.requests[0]


@pytest.mark.parametrize("mode", ["regular", "reverse"])
def test_the_proxy_protocol(tmp_path: Path, sandbox: Sandbox, key: str, mode: str) -> None:
    spec = f"reverse:{sandbox.url}" if mode == "reverse" else mode
    path = "/v1/responses" if mode == "reverse" else "http://api.openai.com/v1/responses"
    with behind(tmp_path, sandbox, "--mode", spec) as proxy:
        for header in (V1, V2):
            assert ask(proxy, header + request(key, path))[0] == 200
        # Cut anywhere; and what a client writes into its request does not count.
        sent = V2 + request(key, path, X_Forwarded_For="198.51.100.9")
        assert ask(proxy, *(sent[index : index + 1] for index in range(40)), sent[40:])[0] == 200
        # A health check of the proxy itself, and one that sends no header.
        assert ask(proxy, FROM_PROXY + request(key, path))[0] == 200
        assert ask(proxy, request(key, path))[0] == 200
        proxy.wait_for(rf"alice · {CLIENT} · ")
    assert addresses(tmp_path) == [CLIENT, CLIENT, CLIENT, "127.0.0.1", "127.0.0.1"]
    for entry in sandbox.requests:
        assert not [name for name in entry["headers"] if "forwarded" in name]


def test_the_proxy_protocol_before_a_tunnel_and_its_tls(tmp_path: Path, sandbox: Sandbox, key: str) -> None:
    with behind(tmp_path, sandbox) as proxy, connection(proxy) as client:
        client.sendall(V2 + b"CONNECT api.openai.com:443 HTTP/1.1\r\nHost: api.openai.com\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        trust = ssl.create_default_context(cafile=str(proxy.ca))
        with trust.wrap_socket(client, server_hostname="api.openai.com") as secure:
            secure.sendall(request(key, X_Forwarded_For="198.51.100.9"))
            assert answer(secure)[0] == 200
        proxy.wait_for(rf"alice · {CLIENT} · ")


def test_headers_that_cannot_be_read_and_those_of_others(tmp_path: Path, sandbox: Sandbox, key: str) -> None:
    with behind(tmp_path, sandbox, "--mode", f"reverse:{sandbox.url}") as proxy:
        for header in (b"PROXY TCP4 here there 1 2\r\n", V2.replace(b"\x21\x11", b"\x31\x11")):
            assert ask(proxy, header + request(key)) == (0, b"")
        proxy.wait_for(r"closed a connection of the trusted proxy at 127\.0\.0\.1: its PROXY header cannot be read")
        # To anybody else it is no HTTP.
        for header in (V1, V2):
            assert ask(proxy, header + request(key), source="127.0.0.2")[0] in (0, 400)
    assert not sandbox.requests


@pytest.mark.parametrize("mode", ["regular", "reverse"])
def test_nobody_who_comes_through_a_proxy_is_on_this_machine(tmp_path: Path, sandbox: Sandbox, mode: str) -> None:
    """Not even by saying so: the proxy is on loopback, its clients need not be."""
    spec = f"reverse:{sandbox.url}" if mode == "reverse" else mode
    path = "/v1/responses" if mode == "reverse" else "http://api.openai.com/v1/responses"
    lie = V1.replace(CLIENT.encode(), b"127.0.0.1")
    with behind(tmp_path, sandbox, "--mode", spec, CODEX_ALLOW_REMOTE="0") as proxy:
        for sent in (
            V1 + request("sk-any", path),
            lie + request("sk-any", path),
            request("sk-any", path),
            request("sk-any", path, X_Forwarded_For="127.0.0.1"),
        ):
            status, came = ask(proxy, sent)
            assert status == 403
            assert b"codex_trusted_proxies" in came
        proxy.wait_for(rf"refused a client at {CLIENT}: ")
        assert not sandbox.requests
        assert ask(proxy, request("sk-any", path), source="127.0.0.2")[0] == 200


def test_a_setting_that_cannot_be_used_lets_nobody_in(tmp_path: Path, sandbox: Sandbox) -> None:
    """Or those behind the proxy would count as this machine's."""
    with behind(tmp_path, sandbox, CODEX_TRUSTED_PROXIES="10.0.0.5/8", CODEX_ALLOW_REMOTE="0") as proxy:
        status, came = ask(proxy, request("sk-any", "http://api.openai.com/v1/responses"))
        assert status == 403
        assert b"codex_trusted_proxies cannot be used" in came
        proxy.wait_for("CODEX_TRUSTED_PROXIES: '10.0.0.5/8' is neither an address nor")
    assert not sandbox.requests


def test_neither_does_a_settings_file_that_is_broken_meanwhile(tmp_path: Path, sandbox: Sandbox, key: str) -> None:
    """Not even on a connection from before. Once it is mended, people are served again."""
    file = tmp_path / "home" / ".opencode" / "openai-codex-auth-config.json"
    good = '{"trustedProxies": ["127.0.0.1"], "allowRemote": true}'
    sent = request(key, "http://api.openai.com/v1/responses")
    kept = sent.replace(b"Connection: close\r\n", b"")
    unusable = b"codex_trusted_proxies cannot be used"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(good)
    with mitmdump(tmp_path / "home", sandbox) as proxy, connection(proxy) as before:
        before.sendall(V1 + kept)
        first = HTTPResponse(before)
        first.begin()
        assert (first.status, bool(first.read())) == (200, True)
        file.write_text(good + ",")
        assert eventually(lambda: unusable in ask(proxy, V1 + sent)[1])
        served = len(sandbox.requests)
        assert unusable in ask(proxy, sent, source="127.0.0.2")[1]
        before.sendall(sent)
        assert unusable in answer(before)[1]
        assert len(sandbox.requests) == served
        file.write_text(good)
        assert eventually(lambda: ask(proxy, V1 + sent)[0] == 200)
