"""Who may use the proxy, where it connects to, and what malformed requests come to."""

import json
import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from listener import Listener, listener
from neighbour import Neighbour, neighbour
from running import Proxy, mitmdump

from codex_transform.sandbox import Sandbox

Start = Callable[..., Proxy]

BODY = json.dumps({"model": "gpt-5.1-codex", "input": "say hello"}).encode()
TUNNEL = b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n"


def post(
    target: bytes = b"http://api.openai.com/v1/responses",
    extra: bytes = b"",
    *,
    host: bytes = b"api.openai.com",
    length: bytes | None = b"%d" % len(BODY),
    body: bytes = BODY,
    start: bytes = b"POST %s HTTP/1.1",
) -> bytes:
    """A request, well-formed but for what is given. `extra` are header lines."""
    if length is not None:
        extra += b"Content-Length: " + length + b"\r\n"
    return start % target + b"\r\nHost: " + host + b"\r\n" + extra + b"\r\n" + body


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def talk(port: int, data: bytes, *, to_the_end: bool = False, patience: float = 30) -> bytes:
    """What comes back for these bytes: one whole answer, or all `to_the_end` of the connection or of our patience."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=patience) as client, suppress(TimeoutError):
        client.sendall(data)
        while (to_the_end or not is_whole(answer)) and (piece := client.recv(65536)):
            answer += piece
    return answer


def is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


def status(answer: bytes) -> int:
    match = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(match[1]) if match else 0


def error(answer: bytes) -> dict[str, Any]:
    return dict(json.loads(answer.partition(b"\r\n\r\n")[2])["error"])


def at(address: str) -> str:
    """Where a further mode of the same mitmdump may listen: it takes port 0 but once."""
    with socket.create_server((address, 0)) as free:
        return f"@{address}:{free.getsockname()[1]}"


def port_of(proxy: Proxy, what: str, address: str) -> int:
    """The port of a mode that listens besides the usual one."""
    return int(proxy.wait_for(rf"{what}(?: to \S+)? listening at {re.escape(address)}:(\d+)")[1])


# Strangers


@pytest.fixture(scope="module")
def stranger() -> Iterator[Neighbour]:
    with neighbour() as there:
        yield there


def test_strangers_get_no_further_than_a_403(proxy: Start, sandbox: Sandbox, stranger: Neighbour) -> None:
    further = ("regular", f"upstream:{sandbox.url}", f"reverse:{sandbox.url}", "socks5")
    modes = ("regular", *(mode + at(stranger.ours) for mode in further))
    running = proxy(*(option for mode in modes for option in ("--mode", mode)))
    for mode in (r"HTTP\(S\) proxy", r"HTTP\(S\) proxy \(upstream mode\)", "reverse proxy"):
        port = port_of(running, mode, stranger.ours)
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
    assert stranger.talk(port_of(running, "SOCKS v5 proxy", stranger.ours), greeting) == b""
    assert sandbox.requests == []
    refused = [line for line in running.lines if f"refused a client at {stranger.address}" in line]
    assert len(refused) == 3 * 7 + 1
    assert all("codex_allow_remote" in line for line in refused)
    assert "secret" not in running.log
    # The same place, from this machine.
    with socket.create_connection(
        (stranger.ours, port_of(running, r"HTTP\(S\) proxy", stranger.ours)), timeout=30
    ) as own:
        own.sendall(post(extra=b"Connection: close\r\n"))
        assert status(own.recv(65536)) == 200


def test_a_stranger_who_speaks_tls_gets_the_403_in_it(proxy: Start, stranger: Neighbour) -> None:
    running = proxy("--mode", "regular", "--mode", f"reverse:https://api.openai.com@{stranger.ours}:0")
    port = port_of(running, "reverse proxy", stranger.ours)
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
    port = port_of(running, r"HTTP\(S\) proxy", stranger.ours)
    stranger.talk(port, post())
    before = resident(running)
    answer = stranger.talk(port, post(length=b"300000000", body=b""), more=300_000_000 // 65536)
    assert answer == b"" or status(answer) == 403  # lost when the connection is cut while the client still sends
    assert resident(running) - before < 30_000
    assert f"refused a client at {stranger.address}" in running.log


def resident(proxy: Proxy) -> int:
    """Memory in kilobytes, at its highest."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{proxy.process.pid}/status").read_text())
    assert found
    return int(found[1])


def test_strangers_with_a_password_are_served(proxy: Start, sandbox: Sandbox, stranger: Neighbour) -> None:
    running = proxy(
        *("--mode", "regular", "--mode", f"regular@{stranger.ours}:0"),
        *("--set", "codex_allow_remote=true", "--proxyauth", "me:secret"),
    )
    port = port_of(running, r"HTTP\(S\) proxy", stranger.ours)
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


def test_remote_use_without_a_password_is_refused_to_everybody(proxy: Start, sandbox: Sandbox) -> None:
    running = proxy(CODEX_ALLOW_REMOTE="1")
    running.wait_for("codex_allow_remote is on.*--proxyauth")
    answer = talk(running.port, post())
    assert status(answer) == 403
    assert "--proxyauth" in error(answer)["message"]
    assert sandbox.requests == []


def test_listening_to_others_is_warned_of(proxy: Start, stranger: Neighbour) -> None:
    modes = ("regular", f"regular@{stranger.ours}:0", "socks5@0.0.0.0:0", "regular@::1:0")
    running = proxy(*(option for mode in modes for option in ("--mode", mode)))
    running.wait_for("socks5@0.0.0.0:0 mode listens on 0.0.0.0.*--listen-host 127.0.0.1")
    assert len(re.findall("mode listens on", running.log)) == 2
    assert f"regular@{stranger.ours}:0 mode listens on {stranger.ours}" in running.log


# Where to


@pytest.fixture(scope="module")
def service() -> Iterator[Listener]:
    """Something else on this machine."""
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
def test_nobody_gets_to_this_machine(quiet_proxy: Proxy, service: Listener, place: str) -> None:
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


REBINDING = """
import socket

resolve = socket.getaddrinfo


def rebound(host, port, family=0, type=0, proto=0, flags=0):
    asked = host in ("rebound.example", b"rebound.example") and not flags & socket.AI_NUMERICHOST
    return resolve("127.0.0.1" if asked else host, port, family, type, proto, flags)


socket.getaddrinfo = rebound
"""


def client_hello(name: str) -> bytes:
    """What a TLS client says first."""
    sent = ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname=name).do_handshake()
    return sent.read()


def test_a_name_that_leads_to_this_machine_gets_nothing(proxy: Start, tmp_path: Path, service: Listener) -> None:
    """The name server says 127.0.0.1, which no request says."""
    service.forget()
    names = tmp_path / "names.py"
    names.write_text(REBINDING)
    running = proxy("-s", str(names), "--mode", "regular", "--mode", "socks5" + at("127.0.0.1"))
    target = b"rebound.example:%d" % service.port
    page = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert status(talk(running.port, page % (b"http://%s/" % target))) == 502
    socks = port_of(running, "SOCKS v5 proxy", "127.0.0.1")
    for spoken in (page % b"/", client_hello("elsewhere.example"), b"SSH-2.0-client\r\n"):
        answer = talk(running.port, TUNNEL % (target, target) + spoken, to_the_end=True)
        assert answer.partition(b"\r\n\r\n")[2] == b"" or b"502 Bad Gateway" in answer
        for host in (b"rebound.example", b"127.1", b"localhost"):
            asked = b"\x05\x01\x00\x05\x01\x00\x03" + bytes([len(host)]) + host + service.port.to_bytes(2, "big")
            assert b'"resp_1"' not in talk(socks, asked + spoken, to_the_end=True)
    assert service.received == []
    running.wait_for("rebound.example port.*NO_PROXY=localhost,127.0.0.1,rebound.example")


def test_what_the_user_chose_is_reached(proxy: Start, sandbox: Sandbox, service: Listener) -> None:
    service.forget()
    further = (f"reverse:{service.url}", f"upstream:{service.url}")
    modes = ("regular", *(mode + at("127.0.0.1") for mode in further))
    running = proxy(*(option for mode in modes for option in ("--mode", mode)))
    page = b"GET %s HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n"
    reverse, upstream = (port_of(running, what, "127.0.0.1") for what in ("reverse proxy", r"\(upstream mode\)"))
    assert b'"resp_1"' in talk(reverse, page % b"/page")
    assert b'"resp_1"' in talk(upstream, page % b"http://elsewhere.example/page")
    assert [request.target for request in service.requests] == [b"/page", b"http://elsewhere.example/page"]
    # The upstream proxy is for mitmproxy to connect to, not for its clients.
    own = b"127.0.0.1:%d" % service.port
    assert status(talk(upstream, TUNNEL % (own, own))) == 403
    # Any path of the endpoint's own.
    answer = talk(running.port, page % b"%s/other" % sandbox.url.encode())
    assert b"x-codex-sandbox" in answer


# What is asked


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Listener]:
    with listener() as server:
        yield server


@pytest.fixture(scope="module")
def strict_proxy(tmp_path_factory: pytest.TempPathFactory, endpoint: Listener) -> Iterator[Proxy]:
    with mitmdump(tmp_path_factory.mktemp("strict") / "home", endpoint) as running:  # type: ignore[arg-type]
        yield running


SMUGGLED = b"GET http://api.openai.com/smuggled HTTP/1.1\r\nHost: api.openai.com\r\n\r\n"
CODED = b"Transfer-Encoding: chunked\r\n"
REFUSED = {
    "user info": post(b"http://user:password@api.openai.com/v1/responses"),
    "another host as user info": post(b"http://api.openai.com@127.0.0.1:9/v1/responses"),
    "encoded slashes": post(b"http://api.openai.com/v1%2f..%2fresponses"),
    "dots below": post(b"http://api.openai.com/v1/responses/../admin"),
    "encoded dots below": post(b"http://api.openai.com/v1/responses/%2e%2e/admin"),
    "another host": post(b"http://elsewhere.invalid/v1/responses"),
    "a line break in the target": post(b"http://api.openai.com/v1/responses\r\nX-Evil: 1\r\n /responses"),
    "a tab in the target": post(b"http://api.openai.com/v1/\tresponses"),
    "a CR in a header": post(extra=b"X-A: 1\rAuthorization: other\r\n"),
    "a NUL in a header": post(extra=b"X-A: 1\0\r\n"),
    "a folded header": post(extra=b"X-A: 1\r\n Authorization: other\r\n"),
    "a space before a colon": post(extra=b"Content-Length : 5\r\n"),
    "two lengths": post(extra=b"Content-Length: 3\r\n"),
    "two equal lengths": post(extra=b"Content-Length: %d\r\n" % len(BODY)),
    "length and chunks": post(extra=CODED, body=chunked(BODY) + SMUGGLED),
    "chunks twice": post(extra=CODED + CODED, body=chunked(BODY) + SMUGGLED, length=None),
    "identity": post(extra=b"Transfer-Encoding: identity\r\n"),
    "unknown coding": post(extra=b"Transfer-Encoding: xchunked\r\n", body=chunked(BODY) + SMUGGLED, length=None),
    "chunk size no number": post(extra=CODED, body=b"zz\r\n" + BODY + b"\r\n0\r\n\r\n", length=None),
    "chunk size negative": post(extra=CODED, body=b"-5\r\n" + BODY + b"\r\n0\r\n\r\n", length=None),
    "chunk size enormous": post(extra=CODED, body=b"f" * 18 + b"\r\n" + BODY + b"\r\n0\r\n\r\n", length=None),
    "length negative": post(length=b"-1"),
    "length with a sign": post(length=b"+%d" % len(BODY)),
    "length too long": post(length=b"9" * 20),
    "no version": b"POST http://api.openai.com/v1/responses\r\n\r\n",
    "an unknown version": post(start=b"POST %s HTTP/9.9"),
    "another scheme": post(b"ftp://api.openai.com/v1/responses"),
    "no scheme": post(b"//api.openai.com/v1/responses", host=b"elsewhere.invalid"),
}
HARMLESS = {
    "plain": post(),
    "dots above": post(b"http://api.openai.com/v1/../admin/responses"),
    "a query": post(b"http://api.openai.com/v1/responses?x=/../../&y=%0d%0aX:1"),
    "another Host": post(host=b"elsewhere.example"),
    "two Hosts": post(extra=b"Host: elsewhere.example\r\n"),
    "origin form": post(b"/v1/responses"),
    "an LF for a line break": post(extra=b"X-A: 1\nX-B: 2\r\n"),
    "an encoded line break in a header": post(extra=b"session_id: a%0d%0aAuthorization: other\r\n"),
    "hop-by-hop headers": post(extra=b"Connection: authorization, content-type, content-length\r\n"),
    "a key of the client's": post(extra=b"Authorization: Bearer sk-of-the-client\r\nX-Api-Key: sk-of-the-client\r\n"),
    "chunks": post(extra=CODED, body=chunked(BODY), length=None),
    "chunks and more": post(extra=CODED, body=chunked(BODY) + b"GARBAGE", length=None),
    "a small method": post(start=b"post %s HTTP/1.1"),
    "HTTP/1.0": post(start=b"POST %s HTTP/1.0"),
    "HTTP/2 in name": post(start=b"POST %s HTTP/2.0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_requests_do_not_leave(strict_proxy: Proxy, endpoint: Listener, name: str) -> None:
    endpoint.forget()
    answer = talk(strict_proxy.port, REFUSED[name], patience=2)
    assert status(answer) in (0, 400, 502, 505)
    assert endpoint.received == []


@pytest.mark.parametrize("name", HARMLESS)
def test_odd_requests_leave_as_one_of_ours(strict_proxy: Proxy, endpoint: Listener, name: str) -> None:
    endpoint.forget()
    answer = talk(strict_proxy.port, HARMLESS[name])
    assert status(answer) == 200, answer
    assert_ours(endpoint)


def assert_ours(endpoint: Listener) -> None:
    """The endpoint got one request, as a strict server reads it: to its path, with its key, and nothing else."""
    assert endpoint.faults == []
    (request,) = endpoint.requests
    assert (request.method, request.target) == (b"POST", b"/backend-api/codex/responses")
    named = [name for name, _ in request.headers]
    assert len(set(named)) == len(named)
    headers = dict(request.headers)
    assert headers[b"host"] == b"127.0.0.1:%d" % endpoint.port
    assert headers[b"authorization"] == b"Bearer " + endpoint.key.encode()
    sent = b"".join(endpoint.received)
    for word in (b"sk-of-the-client", b"elsewhere", b"GARBAGE", b"smuggled"):
        assert word not in sent


@pytest.mark.parametrize("inner", [b"/v1/responses", b"https://third.example/v1/responses"])
def test_the_tunnel_and_the_name_in_it_decide(strict_proxy: Proxy, endpoint: Listener, inner: bytes) -> None:
    """CONNECT and the TLS name say api.openai.com; what the request inside says about hosts has no say."""
    endpoint.forget()
    tunnel = socket.create_connection(("127.0.0.1", strict_proxy.port), timeout=30)
    tunnel.sendall(TUNNEL % (b"api.openai.com:443", b"second.example"))
    assert status(tunnel.recv(4096)) == 200
    trust = ssl.create_default_context(cafile=str(strict_proxy.ca))
    with trust.wrap_socket(tunnel, server_hostname="api.openai.com") as client:
        client.sendall(post(inner, b"Connection: close\r\n", host=b"third.example"))
        assert status(client.recv(65536)) == 200
    assert_ours(endpoint)
    assert b"third" not in b"".join(endpoint.received)


# Hosts that are not ours

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
    """TLS is opened only if both the tunnel's target and the name in it are ours: else the server's own is seen."""
    before = len(shared_sandbox.requests)
    command = stranger.command(sys.executable, "-c", SERVER, stranger.address, certificate(tmp_path))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            host = f"{connect or stranger.address}:{server.stdout.readline().strip()}".encode()
            tunnel = socket.create_connection(("127.0.0.1", quiet_proxy.port), timeout=30)
            tunnel.sendall(TUNNEL % (host, host))
            assert b" 200 " in tunnel.recv(4096)
            trust = ssl.create_default_context(cafile=str(tmp_path / "server-cert.pem"))
            if connect:
                # Nobody answers by that name here. What counts: mitmproxy did not.
                with pytest.raises(OSError, match=r"EOF|reset|closed"):
                    trust.wrap_socket(tunnel, server_hostname=name)
            else:
                with trust.wrap_socket(tunnel, server_hostname=name) as client:
                    assert client.recv(16) == b"untouched"
        finally:
            server.terminate()
    assert len(shared_sandbox.requests) == before


def certificate(folder: Path) -> Path:
    """A certificate and its key for both names, signed by nobody else; `server-cert.pem` is for who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "private.example")])
    names = x509.SubjectAlternativeName([x509.DNSName("private.example"), x509.DNSName("api.openai.com")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both = folder / "server.pem"
    both.write_bytes(private + pem)
    (folder / "server-cert.pem").write_bytes(pem)
    return both
