"""Keys: on the wire to the endpoint, and nowhere else. Whatever mitmproxy and the addon write is searched for them."""

import base64
import gzip
import json
import re
import socket
import ssl
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import openai
import pytest
import running
from h2_endpoint import certificate
from h2_endpoint import running as h2_running
from mitmproxy import http
from mitmproxy.io import read_flows_from_paths
from running import Proxy, mitmdump

from codex_transform import sandbox as sandboxes
from codex_transform.endpoint import redact
from codex_transform.sandbox import Sandbox

CLIENTS_KEY = "sk-the-clients-own-0123456789"
HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}


@dataclass
class Address:
    """As much of an endpoint as the proxy is told."""

    url: str
    key: str = "sk-of-an-endpoint-0123456789"


@dataclass
class Echo(Address):
    """An endpoint that repeats in an error what it was sent: `answer` gets its Authorization."""

    answer: Callable[[str], tuple[int, dict[str, str], bytes]] = lambda _: (500, {}, b"")
    seen: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def echo(answer: Callable[[str], tuple[int, dict[str, str], bytes]]) -> Iterator[Echo]:
    endpoint = Echo("", answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            endpoint.seen.append({name.lower(): value for name, value in self.headers.items()})
            status, headers, body = endpoint.answer(self.headers.get("authorization", ""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        endpoint.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def recording(home: Path, endpoint: Any, *options: str, stored: str = "true", **environ: str) -> Iterator[Proxy]:
    """A proxy that writes down and says all that it can, searched for keys when it has ended."""
    home.mkdir(exist_ok=True)
    everything = [
        *("-v", "--set", "flow_detail=4", "-w", str(home / "flows"), "--set", f"hardump={home / 'all.har'}"),
        *("--set", f"store_streamed_bodies={stored}"),
    ]
    logged = {"ENABLE_PLUGIN_REQUEST_LOGGING": "1", "DEBUG_CODEX_PLUGIN": "1"}
    with mitmdump(home, endpoint, *everything, *options, **logged, **environ) as proxy:
        yield proxy
    assert traces(endpoint.key, home, proxy.log) == []
    assert traces(CLIENTS_KEY, home, proxy.log) == []


def spellings(key: str) -> list[bytes]:
    """How a key may be written: plain, percent, hex, and base64 at each of the three places it may begin."""
    plain = key.encode()
    found = [plain, plain[::-1], "".join(f"%{byte:02x}" for byte in plain).encode(), plain.hex().encode()]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + plain)
        found.append(encoded[(0, 2, 3)[before] : len(encoded) - 4])
    return [spelling.lower() for spelling in found]


def traces(key: str, folder: Path, said: str) -> list[str]:
    """Where the key is to be found."""
    texts = {"the log": said.encode()} | {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name, text in list(texts.items()):
        for match in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", text):
            try:
                unpacked = zlib.decompressobj(wbits=47).decompress(text[match.start() :])
            except zlib.error:
                continue
            texts[f"{name} at {match.start()}"] = unpacked
    return [name for name, text in texts.items() if any(found in text.lower() for found in spellings(key))]


def flows(path: Path) -> list[http.HTTPFlow]:
    return [flow for flow in read_flows_from_paths([path]) if isinstance(flow, http.HTTPFlow)]


def message(answer: bytes) -> str:
    return str(json.loads(answer)["error"]["message"])


def test_the_search_finds_keys(tmp_path: Path) -> None:
    key = "sk-of-an-endpoint-0123456789"
    assert traces(key, tmp_path, "nothing") == []
    assert traces(key, tmp_path, f"Bearer {key}!") == ["the log"]
    assert traces(key, tmp_path, key.encode().hex().upper()) == ["the log"]
    for before in ("", "a", "ab", "abc"):
        assert traces(key, tmp_path, base64.b64encode(f"{before}{key}after".encode()).decode()) == ["the log"]
    (tmp_path / "packed").write_bytes(b"some" + gzip.compress(b"Bearer " + key.encode()) + b"thing")
    assert len(traces(key, tmp_path, "")) == 1


def test_good_calls_leave_no_key(tmp_path: Path, sandbox: Sandbox) -> None:
    home = tmp_path / "home"
    with recording(home, sandbox) as proxy:
        assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}", x_api_key=CLIENTS_KEY)[0] == 200
        assert proxy.send({**HELLO, "stream": False}, authorization=f"Bearer {CLIENTS_KEY}")[0] == 200
        assert proxy.send({**HELLO, "stream": False}, path="/v1/responses/compact", cookie=CLIENTS_KEY)[0] == 200
        # Refused by the proxy itself: a body that is none, and an upgrade.
        assert proxy.send(b"[]", authorization=f"Bearer {CLIENTS_KEY}")[0] == 400
        upgrade = {"upgrade": "websocket", "connection": "Upgrade", "authorization": f"Bearer {CLIENTS_KEY}"}
        assert proxy.send(b"", method="GET", **upgrade)[0] == 426
    assert [entry["status"] for entry in sandbox.requests] == [200] * 3
    shown = f"Bearer {redact(sandbox.key)}"
    assert shown.startswith("Bearer sk-…")
    saved = flows(home / "flows")
    assert [flow.request.headers["authorization"] for flow in saved[:3]] == [shown] * 3
    assert all(flow.response for flow in saved)
    har = json.loads((home / "all.har").read_text())
    headers = [{h["name"].lower(): h["value"] for h in e["request"]["headers"]} for e in har["log"]["entries"]]
    assert [fields["authorization"] for fields in headers[:3]] == [shown] * 3
    # The places that were searched for keys: comments, originals, the usage store.
    assert all(flow.comment and flow.metadata["codex_original"] for flow in saved[:3])
    assert (home / ".opencode" / "codex-usage.sqlite").exists()
    # It writes what is not ASCII in a header as bytes.
    assert repr(shown.encode())[2:-1] in proxy.log


def test_bad_calls_leave_no_key(tmp_path: Path, sandbox: Sandbox) -> None:
    with recording(tmp_path / "wrong", Address(sandbox.url)) as proxy:
        status, _, answer = proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")
        assert status == 401
        assert "codex_api_key" in message(answer)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        down = Address(f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with recording(tmp_path / "down", down) as proxy:
            assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 502
    with recording(tmp_path / "broken", sandbox) as proxy:
        for broken in ("cut-before-head", "cut", "not-http", "html-403", "plain-500", "bad-chunk", "half-head"):
            for stream in (True, False):
                sandbox.misbehave(broken, times=1)
                proxy.send({**HELLO, "stream": stream}, authorization=f"Bearer {CLIENTS_KEY}")


@pytest.mark.parametrize("stream", [True, False])
def test_a_redirect_is_an_error_and_gets_no_key(tmp_path: Path, sandbox: Sandbox, stream: bool) -> None:
    with recording(tmp_path / "home", sandbox) as proxy:
        sandbox.misbehave("redirect", times=1)
        status, headers, answer = proxy.send({**HELLO, "stream": stream})
        assert status == 502
        assert headers["location"] is None
        assert "redirects to localhost" in message(answer)
        assert "codex_base_url" in message(answer)
    assert [entry["path"] for entry in sandbox.requests] == ["/backend-api/codex/responses"]


@pytest.mark.parametrize("key", ["sk-of-an-endpoint-0123456789", "my own words as a key".replace(" ", "-")])
@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_an_endpoint_that_quotes_the_key(tmp_path: Path, key: str, status: int) -> None:
    def answer(authorization: str) -> tuple[int, dict[str, str], bytes]:
        body = json.dumps({"error": {"message": f"Bad key: {authorization.partition(' ')[2]}, try another."}})
        return status, {"Content-Type": "application/json", "X-Debug": authorization}, body.encode()

    with echo(answer) as endpoint:
        endpoint.key = key
        with recording(tmp_path / "home", endpoint) as proxy:
            for stream in (True, False):
                got, headers, body = proxy.send({**HELLO, "stream": stream})
                assert got == status
                assert key not in f"{headers} {body.decode()}"
                assert f"…{key[-4:]}" in message(body)
        assert [seen["authorization"] for seen in endpoint.seen] == [f"Bearer {key}"] * 2


@pytest.mark.parametrize("stored", ["true", "false"])
def test_a_stream_that_quotes_the_key(tmp_path: Path, stored: str) -> None:
    """Whoever keeps the stream, mitmproxy's own option or this addon: what is kept has no key, nor has the comment."""

    def answer(authorization: str) -> tuple[int, dict[str, str], bytes]:
        failure = {"code": "server_error", "message": f"Bad key: {authorization.partition(' ')[2]}."}
        events = (
            {"type": "response.created", "response": {"id": "r"}},
            {"type": "response.failed", "response": {"id": "r", "status": "failed", "error": failure}},
        )
        body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
        return 200, {"Content-Type": "text/event-stream"}, body.encode()

    with echo(answer) as endpoint:
        home = tmp_path / "home"
        with recording(home, endpoint, stored=stored) as proxy:
            assert proxy.send(HELLO)[0] == 200
        (flow,) = flows(home / "flows")
        assert flow.response
        shown = redact(endpoint.key)
        assert shown.encode() in (flow.response.raw_content or b"")
        assert f"failed server_error: Bad key: {shown}." in flow.comment


def test_bytes_that_are_no_answer_and_quote_the_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint = Address(f"http://127.0.0.1:{server.getsockname()[1]}")

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(f"ERROR for Bearer {endpoint.key}\r\n\r\n".encode())

        thread = threading.Thread(target=serve)
        thread.start()
        with recording(tmp_path / "home", endpoint) as proxy:
            status, _, answer = proxy.send(HELLO)
            assert status == 502
            assert endpoint.key not in message(answer)
        thread.join()


def test_the_clients_key_is_forwarded_but_not_kept(tmp_path: Path) -> None:
    with sandboxes.running(Sandbox(key=CLIENTS_KEY)) as endpoint:
        home = tmp_path / "home"
        with recording(home, Address(endpoint.url), CODEX_FORWARD_CLIENT_KEY="1") as proxy:
            assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 200
            # The endpoint's own key is what there is without one of the client; it is not right here.
            assert proxy.send(HELLO)[0] == 401
        assert [entry["status"] for entry in endpoint.requests] == [200, 401]
        shown = [flow.request.headers["authorization"] for flow in flows(home / "flows")]
        assert shown == [f"Bearer {redact(CLIENTS_KEY)}", f"Bearer {redact(Address('').key)}"]


def test_over_http2(tmp_path: Path) -> None:
    both, trusted = certificate(tmp_path)
    with h2_running(both) as endpoint:
        home = tmp_path / "home"
        with recording(home, endpoint, "--set", f"ssl_verify_upstream_trusted_ca={trusted}") as proxy:
            trust = ssl.create_default_context(cafile=str(proxy.ca))
            with openai.DefaultHttpxClient(proxy=proxy.url, verify=trust, http2=True) as client:
                sdk = openai.OpenAI(api_key=CLIENTS_KEY, http_client=client, max_retries=0)
                assert "[sandbox]" in sdk.responses.create(model="gpt-5.1-codex", input="say hello").output_text
        assert [entry["status"] for entry in endpoint.requests] == [200]
        saved = [flow for flow in flows(home / "flows") if flow.request.method == "POST"]
        assert [flow.request.headers["authorization"] for flow in saved] == [f"Bearer {redact(endpoint.key)}"]


def test_a_request_that_is_led_elsewhere_has_no_key(tmp_path: Path, sandbox: Sandbox) -> None:
    """By an option of mitmproxy, after the request was rewritten: to another path of the endpoint."""
    option = f"|{sandbox.url}/|{sandbox.url}/other/"
    with recording(tmp_path / "home", sandbox, "--map-remote", option) as proxy:
        assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 401
        proxy.wait_for("is not the endpoint's address.* without a key")
    (entry,) = sandbox.requests
    assert entry["path"].startswith("/other/")
    assert "authorization" not in entry["headers"]
    assert CLIENTS_KEY not in str(entry)


@pytest.mark.parametrize("forward", [False, True])
def test_in_reverse_mode_the_endpoint_gets_no_openai_key(tmp_path: Path, sandbox: Sandbox, forward: bool) -> None:
    """The client takes the endpoint for OpenAI, whatever it asks of it."""
    options = ("--mode", f"reverse:{sandbox.url}")
    environ = {"CODEX_FORWARD_CLIENT_KEY": str(int(forward))}
    with mitmdump(tmp_path / "home", sandbox, *options, **environ) as proxy:
        client = HTTPConnection("127.0.0.1", proxy.port, timeout=30)
        client.request("GET", "/v1/models", headers={"Authorization": f"Bearer {CLIENTS_KEY}", "x-api-key": "k"})
        assert client.getresponse().status == 404
        client.close()
    (entry,) = sandbox.requests
    assert ("authorization" in entry["headers"], "x-api-key" in entry["headers"]) == (forward, forward)


def test_a_saved_flow_is_replayed_with_the_key(tmp_path: Path, sandbox: Sandbox) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with recording(first, sandbox) as proxy:
        assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 200
        assert proxy.send({**HELLO, "stream": False})[0] == 200
    sandbox.forget()
    with recording(second, sandbox, "--client-replay", str(first / "flows"), "--set", "keepserving=true") as proxy:
        assert sandbox.wait(lambda requests: len(requests) == 2 and all(entry["finished"] for entry in requests), 20)
        # The proxy has the last answer by the time that it has another one.
        assert proxy.send(HELLO)[0] == 200
    once, again = flows(first / "flows"), flows(second / "flows")
    assert [(entry["status"], entry["cancelled"]) for entry in sandbox.requests] == [(200, False)] * 3
    replayed = [flow for flow in again if flow.is_replay]
    assert len(replayed) == 2
    for before, after in zip(once, replayed, strict=True):
        assert after.request.headers["authorization"] == f"Bearer {redact(sandbox.key)}"
        assert after.request.raw_content == before.request.raw_content
        assert after.response
        assert after.response.status_code == 200
        assert after.response.timestamp_end


def test_proxy_debug_would_log_keys(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmdump(tmp_path / "home", sandbox) as proxy:
        assert proxy.send(HELLO)[0] == 200
    with (
        pytest.raises(AssertionError, match="proxy_debug logs every byte"),
        mitmdump(tmp_path / "home", sandbox, "--set", "proxy_debug=true"),
    ):
        pass


def test_mitmweb_shows_and_replays(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MITMDUMP", running.MITMDUMP.with_name(running.MITMDUMP.name.replace("dump", "web")))
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
    options = ["--no-web-open-browser", "--web-port", str(port), "-v"]

    def api(path: str, method: str = "GET") -> bytes:
        token = "0123456789abcdef" * 2
        headers = {"Authorization": f"Bearer {password}", "X-XSRFToken": token}
        headers["Cookie"] = f"_xsrf={token}; _mitmproxy_xsrf={token}"
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bytes(answer.read())

    with mitmdump(tmp_path / "home", sandbox, *options) as proxy:
        # mitmproxy 12 wants a password, and says it; 11 has none.
        password = proxy.wait_for(r"Web server listening at http://127\.0\.0\.1:\d+/(?:\?token=(\w+))?")[1] or ""
        assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 200
        assert proxy.send(b"[]", authorization=f"Bearer {CLIENTS_KEY}")[0] == 400
        text = api("/flows")
        seen = json.loads(text)
        assert len(seen) == 2
        assert dict(seen[0]["request"]["headers"])["Authorization"] == f"Bearer {redact(sandbox.key)}"
        api(f"/flows/{seen[0]['id']}/replay", "POST")
        assert sandbox.wait(lambda requests: len(requests) == 2 and bool(requests[1]["finished"]))
        everything = text + api("/flows") + api("/events") + api("/options") + api("/flows/dump")
        assert traces(sandbox.key, tmp_path, everything.decode("latin-1")) == []
        assert traces(CLIENTS_KEY, tmp_path, everything.decode("latin-1")) == []
    assert [entry["status"] for entry in sandbox.requests] == [200, 200]
