"""Malformed requests are refused, and odd but valid ones reach the endpoint in the form that it expects."""

import socket
import ssl
from collections.abc import Iterator

import pytest
from support.listener import Listener, listener
from support.running import Proxy, mitmdump
from support.wire import BODY, TUNNEL, chunked, post, status, talk


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Listener]:
    with listener() as server:
        yield server


@pytest.fixture(scope="module")
def strict_proxy(tmp_path_factory: pytest.TempPathFactory, endpoint: Listener) -> Iterator[Proxy]:
    with mitmdump(tmp_path_factory.mktemp("strict") / "home", endpoint) as running:
        yield running


SMUGGLED = b"GET http://api.openai.com/smuggled HTTP/1.1\r\nHost: api.openai.com\r\n\r\n"


CODED = b"Transfer-Encoding: chunked\r\n"


REFUSED = {
    "user info": post(b"http://user:password@api.openai.com/v1/responses"),
    "another host as user info": post(b"http://api.openai.com@127.0.0.1:9/v1/responses"),
    "encoded slashes": post(b"http://api.openai.com/v1%2f..%2fresponses"),
    "dots above": post(b"http://api.openai.com/v1/../admin/responses"),
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
def test_malformed_requests_are_not_forwarded(strict_proxy: Proxy, endpoint: Listener, name: str) -> None:
    endpoint.forget()
    answer = talk(strict_proxy.port, REFUSED[name], timeout=2)
    assert status(answer) in (0, 400, 502, 505)
    assert endpoint.received == []


@pytest.mark.parametrize("name", HARMLESS)
def test_odd_but_valid_requests_are_rewritten_like_any_other(
    strict_proxy: Proxy, endpoint: Listener, name: str
) -> None:
    endpoint.forget()
    answer = talk(strict_proxy.port, HARMLESS[name])
    assert status(answer) == 200, answer
    assert_ours(endpoint)


def assert_ours(endpoint: Listener) -> None:
    """Assert that the endpoint got one request, strictly parsed: for its path, with its key, and nothing else."""
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
def test_the_host_of_the_tunnel_counts_not_that_of_the_request_in_it(
    strict_proxy: Proxy, endpoint: Listener, inner: bytes
) -> None:
    """CONNECT and TLS name api.openai.com; the host in the request itself is ignored."""
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
