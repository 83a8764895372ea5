"""The probe against real servers: the sandbox with and without TLS, and sockets that never answer."""

import json
import re
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from support.certificates import certificate
from support.listener import Listener, listener
from support.scripted import Scripted, scripted

from codex_transform.catalog import Resolved
from codex_transform.endpoint.url import parse
from codex_transform.probe.exchange import MODEL, Step, probe
from codex_transform.sandbox import Sandbox, running
from codex_transform.sandbox.faults.table import FAULTS

KEY = "sk-of-the-probe-0123456789abcdef"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running(Sandbox(key=KEY)) as endpoint:
        yield endpoint


def steps(sandbox: Sandbox, misbehave: str | None = None, key: str = KEY, timeout: float = 20) -> list[Step]:
    """The steps after the connection."""
    sandbox.forget()
    sandbox.behave()
    if misbehave:
        sandbox.misbehave(misbehave)
    first, second, *rest = probe(parse(sandbox.url), key, timeout=timeout)
    assert [first[:2], second[:2]] == [("dns", True), ("tcp", True)]
    return rest


def test_every_step_passes_at_a_working_endpoint(sandbox: Sandbox) -> None:
    key, stream = steps(sandbox)
    assert key == Step("key", True, "accepted")
    assert (stream.name, stream.ok, stream.fix) == ("stream", True, "")
    assert stream.message.startswith("answered in ")
    assert stream.message.endswith(f"s, model {MODEL}")
    (entry,) = sandbox.requests
    assert entry["body"]["instructions"]
    assert entry["body"]["store"] is False


@pytest.mark.parametrize(
    ("misbehave", "name", "message", "fix"),
    [
        ("unauthorized", "key", "refused the key in codex_api_key (HTTP 401", "key of this endpoint"),
        ("usage-limit-404", "stream", "usage limit reached, try again in", "Wait, or change the plan"),
        ("usage-limit-429", "stream", "usage limit reached, try again in", "Wait, or change the plan"),
        ("usage-not-included", "stream", "does not include usage: the key works", "Change the plan"),
        ("rate-limit", "stream", "too many requests", "Wait and try again"),
        ("html-200", "stream", "a web page", "Check the base URL"),
        ("html-403", "stream", "a web page (HTTP 403: Sign in)", "Check the base URL"),
        ("html-502", "stream", "a web page (HTTP 502", "Check the base URL"),
        ("redirect", "stream", "redirects to localhost", "Check the base URL"),
        ("empty", "stream", "an empty answer", "Check the base URL"),
        ("plain-500", "stream", "Internal Server Error", "Try again later"),
        ("detail-503", "stream", "No upstream is available", "Try again later"),
        ("failed", "stream", "The sandbox broke", "Try again later"),
        ("no-terminal", "stream", "ended the answer before it was complete", "Try again later"),
        ("cut", "stream", "it closed the connection", "Try again"),
        ("cut-before-head", "stream", "it closed the connection", "Try again"),
        ("not-http", "stream", "does not speak HTTP", "Check the base URL"),
        ("flood@5", "stream", "ended the answer before it was complete", "Try again later"),
    ],
)
def test_each_failure_is_explained(misbehave: str, name: str, message: str, fix: str, sandbox: Sandbox) -> None:
    last = steps(sandbox, misbehave)[-1]
    assert (last.name, last.ok) == (name, False)
    assert message in last.message
    assert fix in last.fix


@pytest.mark.parametrize("misbehave", ["usage-limit-404", "rate-limit", "failed", "cut"])
def test_an_accepted_key_is_reported_although_the_stream_failed(misbehave: str, sandbox: Sandbox) -> None:
    assert [step[:2] for step in steps(sandbox, misbehave)] == [("key", True), ("stream", False)]


@pytest.mark.parametrize("misbehave", ["html-403", "plain-500", "empty", "redirect"])
def test_a_failure_that_does_not_concern_the_key_leaves_it_out(misbehave: str, sandbox: Sandbox) -> None:
    assert [step[:2] for step in steps(sandbox, misbehave)] == [("stream", False)]


@pytest.mark.parametrize("misbehave", ["json", "gzip", "crlf", "response-done", "codex", "until-close", "incomplete"])
def test_responses_that_the_proxy_repairs_pass(misbehave: str, sandbox: Sandbox) -> None:
    misbehave = "rate-limit-events" if misbehave == "codex" else misbehave
    assert [step[:2] for step in steps(sandbox, misbehave)] == [("key", True), ("stream", True)]


@pytest.mark.parametrize("misbehave", ["hang", "hang-before-head", "half-head-hang", "slow@400"])
def test_a_slow_server_times_out(misbehave: str, sandbox: Sandbox) -> None:
    began = time.monotonic()
    last = steps(sandbox, misbehave, timeout=1)[-1]
    assert time.monotonic() - began < 30
    assert (last.name, last.ok) == ("stream", False)
    assert "it took too long" in last.message


def test_the_probe_ends_at_every_fault_and_never_shows_the_key(sandbox: Sandbox) -> None:
    for name in sorted(FAULTS.keys() - {"flood", "hang", "hang-before-head", "half-head-hang"}):
        found = steps(sandbox, name, timeout=30)
        assert found, name
        assert all(step.ok for step in found[:-1]), name
        assert KEY not in str(found), name
        assert all(step.ok or step.fix for step in found), name


def test_a_wrong_key_is_refused_and_hidden(sandbox: Sandbox) -> None:
    wrong = "sk-wrong-0123456789abcdef"
    (step,) = steps(sandbox, key=wrong)
    assert (step.name, step.ok) == ("key", False)
    assert "HTTP 401" in step.message
    assert wrong not in str(step)


def scripted_response(status: int, body: str) -> closing[Scripted]:
    """A server with this response for every client."""

    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        endpoint.read(client)
        client.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    return scripted(play)


def test_a_key_that_the_endpoint_repeats_is_hidden() -> None:
    key = "my-secret-word-for-this"
    with scripted_response(500, json.dumps({"error": {"message": f"I do not like {key} at all"}})) as server:
        found = list(probe(parse(server.url), key))
    assert "I do not like" in found[-1].message
    assert key not in str(found)


def test_an_unknown_model_shows_that_the_key_works(sandbox: Sandbox) -> None:
    *_, key, stream = probe(parse(sandbox.url), KEY, model="gpt-9-imaginary")
    assert key.ok
    assert stream.ok
    assert "gpt-9-imaginary not supported here: the key works" in stream.message
    assert "--model" in stream.fix


def test_a_path_that_the_server_does_not_know() -> None:
    with scripted_response(404, "404 page not found") as server:
        *_, step = probe(parse(server.url), KEY)
    assert (step.name, step.ok) == ("stream", False)
    assert step.message.startswith(f"{server.url}/backend-api/codex/responses is not an address of this server")
    assert "Check the base URL" in step.fix


def test_a_host_name_that_does_not_resolve() -> None:
    (step,) = probe(parse("https://nobody.invalid"), KEY)
    assert (step.name, step.ok) == ("dns", False)
    assert "nobody.invalid" in step.message
    assert "DNS" in step.fix


def test_a_port_that_nothing_listens_at() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        *_, step = probe(parse(f"http://127.0.0.1:{port}"), KEY)
    assert (step.name, step.ok) == ("tcp", False)
    assert f"nothing listens at 127.0.0.1 port {port}" in step.message


def test_a_port_without_tls(sandbox: Sandbox) -> None:
    *_, step = probe(parse(f"https://127.0.0.1:{sandbox.port}"), KEY)
    assert (step.name, step.ok) == ("tls", False)
    assert "right port" in step.fix


def test_a_tls_handshake_that_never_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        *_, step = probe(parse(f"https://127.0.0.1:{server.getsockname()[1]}"), KEY, timeout=0.5)
    assert time.monotonic() - began < 30
    assert (step.name, step.ok) == ("tls", False)
    assert "in time" in step.message


def test_a_private_ca_is_trusted_with_the_option_that_the_fix_names(tmp_path: Path) -> None:
    both, trusted = certificate(tmp_path)
    with running(Sandbox(certfile=str(both), key=KEY)) as endpoint:
        *_, step = probe(parse(endpoint.url), KEY)
        assert (step.name, step.ok) == ("tls", False)
        assert "ssl_verify_upstream_trusted_ca" in step.fix
        found = list(probe(parse(endpoint.url), KEY, trusted_ca=trusted))
    assert [step.name for step in found] == ["dns", "tcp", "tls", "key", "stream"]
    assert re.fullmatch(r"TLSv1\.\d, the certificate is valid until .+ GMT", found[2].message)
    assert all(step.ok for step in found)
    assert "TLSv1.3" in found[2].message


@pytest.mark.parametrize(
    ("address", "until", "message"),
    [("127.0.0.2", timedelta(days=1), "for another name"), ("127.0.0.1", timedelta(days=-1), "has expired")],
)
def test_a_certificate_that_trusting_its_ca_does_not_help(
    tmp_path: Path, address: str, until: timedelta, message: str
) -> None:
    both, trusted = certificate(tmp_path, address, until=until)
    with running(Sandbox(certfile=str(both), key=KEY)) as endpoint:
        *_, step = probe(parse(endpoint.url), KEY, trusted_ca=trusted)
    assert (step.name, step.ok) == ("tls", False)
    assert message in step.message
    assert "trusted_ca" not in step.fix


def test_a_ca_file_that_cannot_be_read(tmp_path: Path) -> None:
    both, _ = certificate(tmp_path)
    with running(Sandbox(certfile=str(both), key=KEY)) as endpoint:
        *_, step = probe(parse(endpoint.url), KEY, trusted_ca=tmp_path / "none.pem")
    assert (step.name, step.ok) == ("tls", False)
    assert "none.pem" in step.message


@pytest.fixture
def server() -> Iterator[Listener]:
    with listener() as running:
        yield running


def test_the_request_is_like_the_proxys(server: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes directly to the endpoint, with the headers of a Codex request, the originator and the instructions."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    def instructions(resolved: Resolved, conversation: str | None) -> str:
        return f"Instructions for {resolved.slug}, {conversation}"

    found = list(probe(parse(server.url), KEY, originator="a_client", model="gpt-5.2", instructions=instructions))
    assert found[-1].ok
    assert not server.faults
    (request,) = server.requests
    headers = dict(request.headers)
    assert (request.method, request.target) == (b"POST", b"/backend-api/codex/responses")
    assert headers[b"authorization"] == f"Bearer {KEY}".encode()
    assert headers[b"originator"] == b"a_client"
    assert b"openai-beta" not in headers
    assert headers[b"host"] == f"127.0.0.1:{server.port}".encode()
    body = json.loads(b"".join(server.received).split(b"\r\n\r\n", 1)[1])
    assert (body["model"], body["stream"]) == ("gpt-5.2", True)
    assert body["instructions"] == "Instructions for gpt-5.2, None"


def test_a_probe_that_is_abandoned_closes_its_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = probe(parse(f"http://127.0.0.1:{server.getsockname()[1]}"), KEY)
        assert [next(found).name, next(found).name] == ["dns", "tcp"]
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            assert isinstance(found, Generator)
            found.close()
            assert connection.recv(1) == b""
