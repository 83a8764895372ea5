"""mitmdump ends while calls are in progress: they finish, or their clients get an error; each is recorded."""

import json
import signal
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from support.running import Proxy, mitmdump
from support.scripted import HEAD, WHOLE, Scripted, scripted
from support.waiting import eventually

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

BEGINNING, END = WHOLE[: WHOLE.index(b"\n\n") + 2], WHOLE[WHOLE.index(b"\n\n") + 2 :]


class Slow:
    """An endpoint that sends half an answer, and the rest when it is released."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()

    def play(self, endpoint: Scripted, client: socket.socket, _: int) -> None:
        endpoint.read(client)
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + BEGINNING)
        self.begun.release()
        while not (self.may_end.is_set() or endpoint.closing.is_set()):
            self.may_end.wait(0.05)
        client.sendall(END)


@pytest.fixture
def slow() -> Iterator[Slow]:
    slow = Slow()
    yield slow
    slow.may_end.set()


def ask(proxy: Proxy, *, stream: bool, wait: bool = True) -> tuple[HTTPConnection, HTTPResponse | None]:
    """Yield a request in progress, and its response if that has begun."""
    client = HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    body = json.dumps({"model": "gpt-5.1-codex", "input": "hi", "stream": stream})
    client.request("POST", "http://api.openai.com/v1/responses", body)
    return client, client.getresponse() if stream and wait else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_call_in_progress_finishes_and_new_ones_are_refused(tmp_path: Path, slow: Slow, number: int) -> None:
    with scripted(slow.play) as endpoint, mitmdump(tmp_path, endpoint, CODEX_DRAIN_TIMEOUT="50") as proxy:
        client, response = ask(proxy, stream=True)
        proxy.process.send_signal(number)
        proxy.wait_for("stopping: one call in progress")
        status, headers, body = proxy.send({"model": "gpt-5.1-codex", "input": "hi"})
        assert (status, headers["connection"]) == (503, "close")
        assert b"proxy_stopped" in body
        slow.may_end.set()
        assert response
        assert b"response.completed" in response.read()
        client.close()
        assert proxy.process.wait(60) == 0
        assert len(endpoint.requests) == 1
    assert failures(tmp_path) == [0]


def test_calls_are_served_until_a_load_balancer_has_noticed(tmp_path: Path, slow: Slow) -> None:
    """One that asks for the readiness; then they are refused as without it, and the end comes."""
    with (
        scripted(slow.play) as endpoint,
        mitmdump(tmp_path, endpoint, CODEX_DRAIN_TIMEOUT="50", CODEX_ADMIN_LISTEN="0") as proxy,
    ):
        admin = HTTPConnection("127.0.0.1", int(proxy.wait_for(r"admin listener at \S+:(\d+)")[1]), timeout=30)
        admin.request("GET", "/readyz")
        assert admin.getresponse().status == 200
        client, response = ask(proxy, stream=True)
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_for("stopping: calls are served for 2 more seconds")
        other, late = ask(proxy, stream=True)
        assert late
        assert late.status == 200
        admin = HTTPConnection("127.0.0.1", admin.port, timeout=30)
        admin.request("GET", "/readyz")
        assert admin.getresponse().status == 503
        # A request that says nothing is refused for that, until all are refused.
        assert eventually(lambda: proxy.send({})[0] == 503)
        slow.may_end.set()
        for each in (response, late):
            assert each
            assert b"response.completed" in each.read()
        client.close()
        other.close()
        assert proxy.process.wait(20) == 0
    assert failures(tmp_path).count(0) == 2


def test_a_client_that_reads_slowly_gets_all_of_its_answer(tmp_path: Path) -> None:
    """More of it than the system keeps for one: the call is over then, and most of the answer is in mitmproxy."""
    text = "x" * 5_000_000
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    final = {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [item]}}
    whole = BEGINNING + b"data: " + json.dumps(final).encode() + b"\n\n"

    def play(endpoint: Scripted, client: socket.socket, _: int) -> None:
        endpoint.read(client)
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(whole) + whole)

    with scripted(play) as endpoint, mitmdump(tmp_path, endpoint, CODEX_DRAIN_TIMEOUT="50") as proxy:
        client, response = ask(proxy, stream=True)
        assert response
        proxy.wait_for(r"gpt-5.1-codex · .* s → ")
        proxy.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: proxy.send({})[0] == 503)
        body = response.read()
        client.close()
        assert body.count(b"x") > len(text)
        assert b"response.completed" in body
        assert proxy.process.wait(20) == 0


@pytest.mark.parametrize("again", [False, True], ids=["time is up", "second signal"])
def test_calls_that_are_cut_off_get_an_error_and_a_record(tmp_path: Path, slow: Slow, again: bool) -> None:
    with (
        scripted(slow.play) as endpoint,
        mitmdump(tmp_path, endpoint, CODEX_DRAIN_TIMEOUT="50" if again else "1") as proxy,
    ):
        streaming, response = ask(proxy, stream=True)
        whole, _ = ask(proxy, stream=False)
        for _ in range(2):
            assert slow.begun.acquire(timeout=30)
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_for("stopping: 2 calls in progress")
        if again:
            proxy.process.send_signal(signal.SIGTERM)
        assert response
        body = response.read()
        assert BEGINNING.split(b"{", 1)[0] in body
        assert b"the proxy was stopped (codex_drain_timeout)" in body
        told = whole.getresponse()
        assert told.status == 502
        assert "the proxy was stopped" in json.loads(told.read())["error"]["message"]
        streaming.close()
        whole.close()
        assert proxy.process.wait(60) == 0
        proxy.wait_for("cut off: .*the proxy was stopped")
    assert failures(tmp_path) == [1, 1]


def test_a_call_that_has_not_reached_the_endpoint_gets_an_error_too(tmp_path: Path) -> None:
    """One whose request is still arriving, and one that waits for the endpoint's TLS."""
    with (
        scripted(lambda endpoint, client, _: endpoint.wait_for_disconnect(client)) as silent,
        mitmdump(
            tmp_path, silent, CODEX_DRAIN_TIMEOUT="1", CODEX_BASE_URL=silent.url.replace("http:", "https:")
        ) as proxy,
        closing(HTTPConnection("127.0.0.1", proxy.port, timeout=60)) as uploading,
    ):
        uploading.putrequest("POST", "http://api.openai.com/v1/responses")
        uploading.putheader("Content-Length", "1000")
        uploading.endheaders(b'{"model": ')
        connecting, _ = ask(proxy, stream=True, wait=False)
        silent.connected.acquire(timeout=30)
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_for("stopping: 2 calls in progress")
        for client in (uploading, connecting):
            response = client.getresponse()
            assert response.status == 503
            assert json.loads(response.read())["error"]["code"] == "proxy_stopped"
        connecting.close()
        assert proxy.process.wait(60) == 0
    # The other one had not said its model yet, so it was no call of one.
    assert failures(tmp_path) == [1]


def failures(home: Path) -> list[int]:
    """Return for each call in the usage database whether it failed."""
    with closing(sqlite3.connect(home / ".opencode" / "codex-usage.sqlite")) as database:
        return [failed for (failed,) in database.execute("select failed from calls")]
