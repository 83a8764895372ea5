"""The endpoint takes too long to accept a connection, to begin its answer, or to continue it."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from support.certificates import certificate
from support.h2_endpoint import running as running_h2
from support.running import Proxy, mitmdump
from support.scripted import ANSWER, HEAD, Scripted, scripted
from support.sdk import client as sdk_client

from codex_transform.sandbox import Sandbox
from codex_transform.sandbox import running as running_sandbox

# Only in the gate, because each test starts whole programs.
pytestmark = pytest.mark.gate

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}
# Long enough for a busy machine to answer within them.
LIMITS = {"CODEX_IDLE_TIMEOUT": "2", "CODEX_CONNECT_TIMEOUT": "2"}

Start = Callable[..., Proxy]


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[Proxy]:
    """A proxy with timeouts of two seconds."""
    with mitmdump(tmp_path_factory.mktemp("hasty") / "home", shared_sandbox, **LIMITS) as running:
        yield running


@contextmanager
def hasty_for(home: Path, url: str, *options: str) -> Iterator[Proxy]:
    """Run such a proxy for an endpoint of the test."""
    with mitmdump(home, Sandbox(), *options, **LIMITS, CODEX_BASE_URL=url) as running:
        yield running


def told(answer: tuple[int, Any, bytes], limit: str) -> None:
    """Assert that the client got a timeout error in a form after which it tries again."""
    status, headers, body = answer
    assert status == 504, body
    assert headers["content-type"] == "application/json"
    error = json.loads(body)["error"]
    assert error["type"] == "server_error"
    assert f"codex_{limit}_timeout" in error["message"]
    assert "127.0.0.1" in error["message"]
    assert " 2 seconds" in error["message"]


def whole(proxy: Proxy) -> None:
    """Assert that the next request is served."""
    status, _, body = proxy.send(HELLO)
    assert status == 200, body
    assert b"response.completed" in body


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("name", ["hang-before-head", "half-head-hang", "hang@0"])
def test_an_endpoint_that_sends_nothing_times_out(
    hasty: Proxy, shared_sandbox: Sandbox, name: str, streaming: bool
) -> None:
    shared_sandbox.forget()
    began = time.monotonic()
    told(hasty.send({**HELLO, "stream": streaming}, x_sandbox_misbehave=name), "idle")
    assert 2 <= time.monotonic() - began < 30
    assert shared_sandbox.wait(lambda requests: bool(requests[0].get("cancelled"))), "the endpoint was not told"
    whole(hasty)


def test_an_endpoint_that_falls_silent_times_out(hasty: Proxy, shared_sandbox: Sandbox) -> None:
    shared_sandbox.forget()
    status, _, body = hasty.send(HELLO, x_sandbox_misbehave="hang@4")
    assert status == 200
    last = json.loads(body.strip().split(b"\ndata: ")[-1])
    assert (last["type"], last["sequence_number"]) == ("error", 4)
    assert last["error"]["code"] == "server_error"
    assert "codex_idle_timeout" in last["error"]["message"]
    assert shared_sandbox.wait(lambda requests: bool(requests[0].get("cancelled")))
    told(hasty.send({**HELLO, "stream": False}, x_sandbox_misbehave="hang@4"), "idle")
    whole(hasty)


def test_an_answer_may_take_longer_than_the_limit(hasty: Proxy) -> None:
    """Only silence is limited."""
    began = time.monotonic()
    status, _, body = hasty.send(HELLO, x_sandbox_misbehave="slow@150")
    assert status == 200
    assert b"response.completed" in body
    assert time.monotonic() - began > 2


def test_headers_that_never_end_time_out(tmp_path: Path) -> None:
    """A byte now and then does not count as an answer."""

    def play(endpoint: Scripted, client: socket.socket, number: int) -> None:
        endpoint.read(client)
        if number:
            client.sendall(ANSWER)
        for byte in HEAD * 10:
            client.sendall(bytes([byte]))
            if endpoint.closing.wait(0.05):
                return

    with scripted(play) as endpoint, hasty_for(tmp_path, endpoint.url) as proxy:
        told(proxy.send(HELLO), "idle")
        whole(proxy)


def test_only_the_silent_http2_stream_times_out(tmp_path: Path) -> None:
    """Another stream of the same connection goes on."""
    both, trusted = certificate(tmp_path)
    trust = f"ssl_verify_upstream_trusted_ca={trusted}"
    with ExitStack() as stack:
        endpoint = stack.enter_context(running_h2(both))
        proxy = stack.enter_context(mitmdump(tmp_path / "home", endpoint, "--set", trust, **LIMITS))
        sdk = stack.enter_context(sdk_client(proxy, http2=True))
        pool = stack.enter_context(ThreadPoolExecutor(2))

        def ask(name: str) -> str:
            stream = sdk.responses.create(
                model="gpt-5.1-codex", input="say hello", stream=True, extra_headers={"x-sandbox-misbehave": name}
            )
            try:
                return [event.type for event in stream][-1]
            except Exception as error:
                return str(error)

        slow, silent = pool.submit(ask, "slow@60"), pool.submit(ask, "hang@3")
        assert "codex_idle_timeout" in silent.result(60)
        assert slow.result(60) == "response.completed"


@contextmanager
def full() -> Iterator[int]:
    """The port of a server that accepts no connection: its queue is full."""
    with socket.socket() as server, ExitStack() as stack:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def test_a_tcp_connect_that_hangs_times_out(tmp_path: Path) -> None:
    with full() as port, hasty_for(tmp_path, f"http://127.0.0.1:{port}") as proxy:
        began = time.monotonic()
        told(proxy.send(HELLO), "connect")
        assert 2 <= time.monotonic() - began < 30
        told(proxy.send({**HELLO, "stream": False}), "connect")


def test_a_tls_handshake_that_hangs_times_out(tmp_path: Path) -> None:
    def play(endpoint: Scripted, client: socket.socket, _number: int) -> None:
        endpoint.wait_for_disconnect(client)

    with scripted(play) as endpoint, hasty_for(tmp_path, endpoint.url.replace("http:", "https:")) as proxy:
        began = time.monotonic()
        told(proxy.send(HELLO), "connect")
        assert 2 <= time.monotonic() - began < 30
        assert endpoint.disconnected.acquire(timeout=30), "the connection was left open"


def test_a_failed_connect_is_not_held_against_later_requests(tmp_path: Path) -> None:
    """When the endpoint is up again, a client that kept its connection to the proxy reaches it."""
    with running_sandbox() as first:
        port = first.port
    with hasty_for(tmp_path, f"http://127.0.0.1:{port}") as proxy:
        client = HTTPConnection("127.0.0.1", proxy.port, timeout=30)

        def ask() -> int:
            client.request("POST", "http://api.openai.com/v1/responses", json.dumps(HELLO).encode())
            answer = client.getresponse()
            answer.read()
            return answer.status

        assert ask() == 502
        kept = client.sock
        # Its key is not the proxy's, so a 401 shows that it is reached.
        with running_sandbox(Sandbox(port=port)):
            assert ask() == 401
        assert client.sock is kept
        client.close()


def test_a_request_body_that_drips_does_not_time_out(hasty: Proxy) -> None:
    """The timeouts are for the endpoint: a client may be slow."""
    body = json.dumps(HELLO).encode()
    with socket.create_connection(("127.0.0.1", hasty.port), timeout=30) as client:
        client.sendall(
            b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nHost: api.openai.com\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body[:-4]
        )
        for byte in body[-4:]:
            # Meanwhile another client gets a whole answer, which takes a while.
            assert hasty.send(HELLO, x_sandbox_misbehave="slow@40")[0] == 200
            client.sendall(bytes([byte]))
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")


CLOCK = """
import time
from pathlib import Path
_time, _jump = time.time, Path({file!r})
time.time = lambda: _time() + int(_jump.read_text())
"""


def test_a_jump_of_the_wall_clock_changes_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    """By years, forward and back: no answer is cut, idle time is still measured, no request is refused."""
    jump, script = tmp_path / "jump", tmp_path / "clock.py"
    jump.write_text("0")
    script.write_text(CLOCK.format(file=str(jump)))
    limits = {**LIMITS, "CODEX_IDLE_TIMEOUT": "3"}
    with ExitStack() as stack:
        proxy = stack.enter_context(mitmdump(tmp_path / "home", sandbox, "-s", str(script), **limits))
        pool = stack.enter_context(ThreadPoolExecutor(2))
        began = time.monotonic()
        slow = pool.submit(proxy.send, HELLO, x_sandbox_misbehave="slow@150")
        silent = pool.submit(proxy.send, {**HELLO, "stream": False}, x_sandbox_misbehave="hang@2")
        assert sandbox.wait(lambda requests: len(requests) == 2)
        for seconds in ("90000", "-90000", "100000000", "-100000000"):
            # Renamed into place, because the proxy may read the file at any moment.
            (tmp_path / "next").write_text(seconds)
            (tmp_path / "next").replace(jump)
            whole(proxy)
        assert b"response.completed" in slow.result(60)[2]
        assert silent.result(60)[0] == 504
        assert 2 < time.monotonic() - began < 30


@pytest.mark.parametrize("streaming", [True, False])
def test_an_answer_ends_with_its_terminal_event(quiet_proxy: Proxy, shared_sandbox: Sandbox, streaming: bool) -> None:
    """Some relays keep the connection open after it; the client does not wait for the timeout of 300 seconds."""
    shared_sandbox.forget()
    began = time.monotonic()
    status, _, body = quiet_proxy.send({**HELLO, "stream": streaming}, x_sandbox_misbehave="hang@99")
    assert time.monotonic() - began < 30
    assert status == 200
    assert (b"response.completed" if streaming else b'"completed"') in body
    assert b'"type":"error"' not in body
    assert shared_sandbox.wait(lambda requests: bool(requests[0].get("cancelled"))), "the endpoint was not told"
    quiet_proxy.wait_for(r"gpt-5\.1-codex .* in .* out")
    whole(quiet_proxy)
