"""Keys are sent to the endpoint, and are nowhere else: all that mitmproxy and the addon write is searched for them."""

import base64
import gzip
import json
import os
import ssl
import subprocess
from http.client import HTTPConnection
from pathlib import Path

import openai
import pytest
from e2e.keys.recording import CLIENTS_KEY, HELLO, Address, flows, message, recording, traces
from support.certificates import certificate
from support.h2_endpoint import running as h2_running
from support.ports import reserved
from support.running import MITMDUMP, ROOT, mitmdump

from codex_transform import sandbox as sandboxes
from codex_transform.redaction import redact
from codex_transform.sandbox import Sandbox

pytestmark = pytest.mark.gate


def test_the_search_for_keys_finds_them(tmp_path: Path) -> None:
    key = "sk-of-an-endpoint-0123456789"
    assert traces(key, tmp_path, "nothing") == []
    assert traces(key, tmp_path, f"Bearer {key}!") == ["the log"]
    assert traces(key, tmp_path, key.encode().hex().upper()) == ["the log"]
    for before in ("", "a", "ab", "abc"):
        assert traces(key, tmp_path, base64.b64encode(f"{before}{key}after".encode()).decode()) == ["the log"]
    (tmp_path / "packed").write_bytes(b"some" + gzip.compress(b"Bearer " + key.encode()) + b"thing")
    assert len(traces(key, tmp_path, "")) == 1


def test_successful_calls_leave_no_key(tmp_path: Path, sandbox: Sandbox) -> None:
    home = tmp_path / "home"
    with recording(home, sandbox) as proxy:
        assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}", x_api_key=CLIENTS_KEY)[0] == 200
        assert proxy.send({**HELLO, "stream": False}, authorization=f"Bearer {CLIENTS_KEY}")[0] == 200
        assert proxy.send({**HELLO, "stream": False}, path="/v1/responses/compact", cookie=CLIENTS_KEY)[0] == 200
        # Refused by the proxy itself: an invalid body, and an upgrade.
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
    # It writes headers that are not ASCII as bytes.
    assert repr(shown.encode())[2:-1] in proxy.log


def test_failed_calls_leave_no_key(tmp_path: Path, sandbox: Sandbox) -> None:
    with recording(tmp_path / "wrong", Address(sandbox.url)) as proxy:
        status, _, answer = proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")
        assert status == 401
        assert "codex_api_key" in message(answer)
    with reserved() as port, recording(tmp_path / "down", Address(f"http://127.0.0.1:{port}")) as proxy:
        assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 502
    with recording(tmp_path / "broken", sandbox) as proxy:
        for broken in ("cut-before-head", "cut", "not-http", "html-403", "plain-500", "bad-chunk", "half-head"):
            for stream in (True, False):
                sandbox.misbehave(broken, times=1)
                proxy.send({**HELLO, "stream": stream}, authorization=f"Bearer {CLIENTS_KEY}")


def test_a_redirect_is_an_error_and_gets_no_key(tmp_path: Path, sandbox: Sandbox) -> None:
    with recording(tmp_path / "home", sandbox) as proxy:
        for stream in (True, False):
            sandbox.misbehave("redirect", times=1)
            status, headers, answer = proxy.send({**HELLO, "stream": stream})
            assert status == 502
            assert headers["location"] is None
            assert "redirects to localhost" in message(answer)
            assert "codex_base_url" in message(answer)
    assert [entry["path"] for entry in sandbox.requests] == ["/backend-api/codex/responses"] * 2


def test_the_clients_key_is_forwarded_but_not_kept(tmp_path: Path) -> None:
    with sandboxes.running(Sandbox(key=CLIENTS_KEY)) as endpoint:
        home = tmp_path / "home"
        with recording(home, Address(endpoint.url), CODEX_FORWARD_CLIENT_KEY="1") as proxy:
            assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 200
            # Without a key of the client the endpoint's own would be used, which is wrong here.
            assert proxy.send(HELLO)[0] == 401
        assert [entry["status"] for entry in endpoint.requests] == [200, 401]
        shown = [flow.request.headers["authorization"] for flow in flows(home / "flows")]
        assert shown == [f"Bearer {redact(CLIENTS_KEY)}", f"Bearer {redact(Address('').key)}"]


def test_calls_over_http2_leave_no_key(tmp_path: Path) -> None:
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


def test_a_request_that_mitmproxy_sends_elsewhere_has_no_key(tmp_path: Path, sandbox: Sandbox) -> None:
    """An option of mitmproxy changes the path after the request was rewritten."""
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
    """The client believes that it talks to OpenAI, whichever path it requests."""
    options = ("--mode", f"reverse:{sandbox.url}")
    environ = {"CODEX_FORWARD_CLIENT_KEY": str(int(forward))}
    with mitmdump(tmp_path / "home", sandbox, *options, **environ) as proxy:
        client = HTTPConnection("127.0.0.1", proxy.port, timeout=30)
        client.request("GET", "/v1/files", headers={"Authorization": f"Bearer {CLIENTS_KEY}", "x-api-key": "k"})
        assert client.getresponse().status == 404
        client.close()
    (entry,) = sandbox.requests
    sent = CLIENTS_KEY if forward else sandbox.key
    assert entry["headers"]["authorization"] == f"Bearer {redact(sent)}"
    assert ("x-api-key" in entry["headers"]) == forward


def test_proxy_debug_would_log_keys(tmp_path: Path) -> None:
    done = subprocess.run(
        [MITMDUMP, "-s", ROOT / "addon.py", "--listen-port", "0", "--set", "proxy_debug=true"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "proxy_debug logs every byte" in done.stdout + done.stderr
