"""The admin listener of the real mitmdump, with calls through the sandbox."""

import json
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.ports import reserved
from support.running import Proxy, mitmdump
from support.scripted import HEAD, WHOLE, Scripted, scripted
from support.waiting import eventually

from codex_transform.people import register
from codex_transform.people.person import Limits, new_person
from codex_transform.sandbox import Sandbox

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True, "prompt_cache_key": "k"}
LONG = "word " * 5000
KEY_OF_CLIENT = "sk-of-the-client-0123456789abcdef"

Start = Callable[..., Proxy]


class Watcher:
    """A client of a proxy's admin listener."""

    def __init__(self, proxy: Proxy) -> None:
        self.port = int(proxy.wait_for(r"admin listener at http://127\.0\.0\.1:(\d+)")[1])

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
        client = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            client.request(method, path, headers=headers)
            answer = client.getresponse()
            return answer.status, answer.read()
        finally:
            client.close()

    def ready(self) -> tuple[int, list[str]]:
        status, body = self.get("/readyz")
        answer = json.loads(body)
        assert answer["ready"] == (status == 200)
        return status, [reason["code"] for reason in answer["reasons"]]

    def figure(self, name: str, **labels: str) -> float:
        """Return the sum of a metric over all labels except these."""
        status, body = self.get("/metrics")
        assert status == 200
        return sum(
            sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
            if sample.name == f"codex_{name}" and labels.items() <= sample.labels.items()
        )


def test_metrics_count_real_calls(proxy: Start, sandbox: Sandbox) -> None:
    running = proxy(CODEX_ADMIN_LISTEN="0")
    watcher = Watcher(running)
    assert watcher.get("/healthz") == (200, b'{"alive":true}\n')
    assert watcher.ready() == (200, [])
    assert watcher.figure("calls_total") == 0
    for stream in (True, True, False):
        assert (
            running.send({**HELLO, "input": LONG, "stream": stream}, authorization=f"Bearer {KEY_OF_CLIENT}")[0] == 200
        )
    sandbox.misbehave("rate-limit", times=1)
    assert running.send(HELLO)[0] == 429
    assert running.send({**HELLO, "model": "my secret model"})[0] >= 200
    assert running.send(b"[]")[0] == 400
    assert eventually(lambda: watcher.figure("calls_total") == 5)
    host = sandbox.url.split("/")[2]
    labels = {"model": "gpt-5.1-codex", "endpoint": host}
    assert watcher.figure("calls_total", **labels, outcome="completed") == 3
    assert watcher.figure("calls_total", **labels, outcome="error") == 1
    assert watcher.figure("calls_total", model="none") == 0
    assert watcher.figure("refusals_total", reason="bad_request") == 1
    assert watcher.figure("attempts_total", **labels) == 4
    assert watcher.figure("first_token_seconds_count", **labels) == 2
    assert watcher.figure("call_seconds_count") == 5
    assert watcher.figure("input_tokens_total", **labels) >= watcher.figure("cached_tokens_total", **labels) > 0
    assert watcher.figure("output_tokens_total", **labels) > 0
    assert [watcher.figure(name) for name in ("streams_open", "calls_open", "draining", "ready")] == [0, 0, 0, 1]
    everything = watcher.get("/metrics")[1].decode() + running.log
    for secret in (sandbox.key, KEY_OF_CLIENT):
        assert secret not in everything
    assert "secret" not in watcher.get("/metrics")[1].decode()


def test_refusals_are_counted_and_logged(tmp_path: Path, proxy: Start) -> None:
    person, key = new_person("alice", Limits(models=("gpt-5.1-codex",), requests_per_minute=1))
    register.save(tmp_path / "proxy-home" / ".opencode" / "codex-clients.json", [person])
    running = proxy(CODEX_ADMIN_LISTEN="0", CODEX_LOG_FORMAT="json")
    watcher = Watcher(running)
    hers = f"Bearer {key}"
    refused = [
        running.send(HELLO, authorization="Bearer sk-other")[0],
        running.send(HELLO, authorization="Bearer sk-other")[0],
        running.send({**HELLO, "model": "gpt-5.2"}, authorization=hers)[0],
        running.send({"model": "gpt-5.1-codex"}, authorization=hers)[0],
        running.send(HELLO, authorization=hers)[0],
        running.send(HELLO, "/v1/responses/a/b/c", authorization=hers)[0],
    ]
    assert refused == [401, 401, 403, 400, 429, 404]
    expected = {
        "unknown_key": 2,
        "model_not_allowed": 1,
        "bad_request": 1,
        "requests_limit": 1,
        "not_found": 1,
        "other": 0,
    }
    for reason, number in expected.items():
        assert eventually(lambda: watcher.figure("refusals_total", reason=reason) == number, 20), reason  # noqa: B023
    told = [json.loads(line) for line in running.lines if line.startswith("{")]
    assert {(line["refused"], line["person"], line["status"]) for line in told if "refused" in line} == {
        ("unknown_key", None, 401),
        ("model_not_allowed", "alice", 403),
        ("bad_request", "alice", 400),
        ("requests_limit", "alice", 429),
        ("not_found", None, 404),
    }


def test_refused_hosts_and_traces_are_counted_and_logged_once_a_minute(proxy: Start) -> None:
    running = proxy(CODEX_ADMIN_LISTEN="0", CODEX_LOG_FORMAT="json")
    watcher = Watcher(running)
    for _ in range(3):
        assert running.send(HELLO, "/v1/traces/ingest")[0] == 403
        client = HTTPConnection("127.0.0.1", running.port, timeout=60)
        with closing(client):
            client.request("GET", "http://127.0.0.1:9/")
            assert client.getresponse().status == 403
            client.close()
            client.request("CONNECT", "127.0.0.1:9")
            assert client.getresponse().status == 403
    assert watcher.figure("refusals_total", reason="not_allowed") == 9
    told = [json.loads(line) for line in running.lines if line.startswith("{")]
    assert [(line["refused"], line["code"], line["times"]) for line in told if "refused" in line] == [
        ("not_allowed", "traces_not_sent", 1),
        ("not_allowed", None, 1),
    ]


def test_the_listener_refuses_other_requests_and_slow_clients(proxy: Start) -> None:
    running = proxy(CODEX_ADMIN_LISTEN="localhost:0")
    watcher = Watcher(running)
    assert watcher.get("/metrics", Host="rebound.example")[0] == 421
    assert watcher.get("/metrics", "POST")[0] == 405
    assert watcher.get("/else")[0] == 404
    for garbage in (b"\x16\x03\x01" + b"\x00" * 50, b"\r\n" * 5000, b"A" * 100_000):
        with socket.create_connection(("127.0.0.1", watcher.port), 30) as client:
            client.sendall(garbage)
            client.shutdown(socket.SHUT_WR)
            client.settimeout(30)
            answer = client.recv(4096)
            assert not answer or b" 4" in answer[:12]
    # A client that keeps a connection open blocks neither the listener nor the proxy.
    with socket.create_connection(("127.0.0.1", watcher.port), 30) as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        assert watcher.get("/healthz")[0] == 200
        assert running.send(HELLO)[0] == 200
        slow.settimeout(60)
        assert slow.recv(1) == b""
    # The proxy does not connect its clients to the listener either.
    through = HTTPConnection("127.0.0.1", running.port, timeout=60)
    through.request("GET", f"http://127.0.0.1:{watcher.port}/metrics")
    assert through.getresponse().status == 403
    through.close()


def test_the_proxy_is_not_ready_while_it_drains(tmp_path: Path) -> None:
    at = WHOLE.index(b"\n\n") + 2

    def play(endpoint: Scripted, client: socket.socket, _: int) -> None:
        endpoint.read(client)
        client.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(WHOLE) + WHOLE[:at])
        while not endpoint.material[0] and not endpoint.closing.is_set():
            endpoint.closing.wait(0.05)
        client.sendall(WHOLE[at:])

    with (
        scripted(play) as endpoint,
        mitmdump(tmp_path, endpoint, CODEX_DRAIN_TIMEOUT="50", CODEX_ADMIN_LISTEN="0") as proxy,
    ):
        watcher = Watcher(proxy)
        client = HTTPConnection("127.0.0.1", proxy.port, timeout=60)
        client.request("POST", "http://api.openai.com/v1/responses", json.dumps(HELLO))
        response = client.getresponse()
        assert watcher.ready() == (200, [])
        assert watcher.figure("streams_open") == watcher.figure("calls_open") == 1
        proxy.process.send_signal(signal.SIGTERM)
        proxy.wait_for("stopping: one call in progress")
        assert watcher.ready() == (503, ["draining"])
        assert watcher.get("/healthz")[0] == 200
        assert (watcher.figure("draining"), watcher.figure("ready")) == (1, 0)
        endpoint.material = (b"go on", b"")
        assert b"response.completed" in response.read()
        client.close()
        assert proxy.process.wait(60) == 0


def test_readiness_follows_settings_and_calls(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmdump(
        tmp_path / "home", sandbox, CODEX_ADMIN_LISTEN="0", CODEX_BASE_URL=None, CODEX_API_KEY=None, CODEX_RETRIES="0"
    ) as proxy:
        watcher = Watcher(proxy)
        assert watcher.ready() == (503, ["endpoint_missing", "key_missing"])
        file = proxy.home / ".opencode" / "openai-codex-auth-config.json"
        file.parent.mkdir(exist_ok=True)
        # It is noticed without a call.
        file.write_text(json.dumps({"baseURL": "http://127.0.0.1:9", "apiKey": sandbox.key}))
        file.chmod(0o600)
        assert eventually(lambda: watcher.ready() == (200, []))
        for _ in range(3):
            assert proxy.send(HELLO)[0] == 502
        assert eventually(lambda: watcher.ready() == (503, ["endpoint_down"]))
        file.write_text(json.dumps({"baseURL": sandbox.url, "apiKey": sandbox.key}))
        assert eventually(lambda: watcher.ready() == (200, []))
        file.write_text("{")
        assert eventually(lambda: watcher.ready() == (503, ["settings_invalid", "endpoint_missing", "key_missing"]))
        assert str(tmp_path) not in watcher.get("/readyz")[1].decode()


def test_a_proxy_none_of_whose_endpoints_answers_is_not_ready(tmp_path: Path, sandbox: Sandbox) -> None:
    with (
        reserved() as first,
        reserved() as second,
        mitmdump(tmp_path, sandbox, CODEX_ADMIN_LISTEN="0", CODEX_BASE_URL="", CODEX_API_KEY="") as proxy,
    ):
        watcher = Watcher(proxy)
        file = proxy.home / ".opencode" / "openai-codex-auth-config.json"
        file.parent.mkdir(exist_ok=True)
        gone = [
            {"name": f"gone-{port}", "baseURL": f"http://127.0.0.1:{port}", "apiKey": sandbox.key, "priority": place}
            for place, port in enumerate((first, second))
        ]
        file.write_text(json.dumps({"endpoints": gone}))
        file.chmod(0o600)
        assert eventually(lambda: watcher.ready() == (200, []))
        for _ in range(3):
            assert proxy.send(HELLO)[0] == 502
        assert eventually(lambda: watcher.ready() == (503, ["endpoint_down"]))


def test_an_address_in_use_is_warned_of_and_calls_are_served(proxy: Start) -> None:
    with reserved() as port, socket.create_server(("127.0.0.1", port)):
        running = proxy(CODEX_ADMIN_LISTEN=str(port))
        running.wait_for(rf"codex_admin_listen: there is no admin listener, because 127\.0\.0\.1:{port} cannot be used")
        assert running.send(HELLO)[0] == 200


def test_missing_packages_are_warned_of_and_calls_are_served(proxy: Start, tmp_path: Path) -> None:
    """As in a checkout that is used with a separately installed mitmproxy."""
    for name in ("prometheus_client", "pythonjsonlogger"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('it is not there')")
    running = proxy(CODEX_ADMIN_LISTEN="0", CODEX_LOG_FORMAT="json", PYTHONPATH=str(tmp_path))
    running.wait_for(r"codex_admin_listen: there is no admin listener .*Fix: .*prometheus-client")
    running.wait_for(r"codex_log_format: lines stay text.*Fix: .*python-json-logger")
    assert running.send(HELLO)[0] == 200
    running.wait_for(r"\] gpt-5\.1-codex · ")


def test_a_changed_address_takes_effect(proxy: Start) -> None:
    running = proxy()
    assert running.send(HELLO)[0] == 200
    assert "admin listener" not in running.log
    file = running.home / ".opencode" / "openai-codex-auth-config.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text('{"adminListen": 0}')
    file.chmod(0o600)
    assert eventually(lambda: running.send(HELLO)[0] == 200 and "admin listener at" in running.log)
    watcher = Watcher(running)
    assert eventually(lambda: watcher.figure("calls_total") >= 1)
    file.write_text("{}")

    def closed() -> bool:
        assert running.send(HELLO)[0] == 200
        try:
            watcher.get("/healthz")
        except OSError:
            return True
        return False

    assert eventually(closed)
