"""The running proxy, request by request: what it accepts, refuses, and leaves alone."""

import gzip
import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.running import MITMDUMP, ROOT, Proxy
from support.waiting import eventually

from codex_transform.sandbox import Sandbox

Start = Callable[..., Proxy]

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}


def error(answer: bytes) -> dict[str, Any]:
    return dict(json.loads(answer)["error"])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"not json", None),
        (b'{"model": "gpt-5.1", "input": "x"', None),
        (b'{"model": "gpt-5.1", "input": "\xff"}', None),
        (b'{"model": "gpt-5.1", "input": "x", "top_logprobs": 1e999}', "top_logprobs"),
        (b'{"model": "gpt-5.1", "input": "x", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", None),
        (b"[1, 2]", None),
        ({"input": "x"}, "model"),
        ({"model": 5, "input": "x"}, "model"),
        ({"model": "gpt-5.1", "input": 5}, "input"),
        ({"model": "gpt-5.1", "input": ["x"]}, "input[0]"),
        ({"model": "gpt-5.1", "input": "x", "tools": "bash"}, "tools"),
        ({"model": "gpt-5.1", "input": "x", "reasoning": {"effort": "enormous"}}, "reasoning.effort"),
    ],
)
def test_invalid_input_is_refused_with_its_name_and_not_sent(
    quiet_proxy: Proxy, shared_sandbox: Sandbox, body: object, param: str | None
) -> None:
    before = len(shared_sandbox.requests)
    status, headers, answer = quiet_proxy.send(body)
    assert status == 400
    assert headers["content-type"] == "application/json"
    assert error(answer)["type"] == "invalid_request_error"
    assert error(answer)["message"]
    assert error(answer)["param"] == param
    assert len(shared_sandbox.requests) == before


def test_odd_but_valid_input_is_sent(quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    odd = (
        b'{"model": "gpt-5.1", "model": "gpt-5.1", "stream": true, '
        b'"input": "cut \\ud83d here", "x_odd": 12345678901234567890123}'
    )
    status, _, answer = quiet_proxy.send(odd)
    assert status == 200, answer
    assert shared_sandbox.requests[-1]["body"]["x_odd"] == 12345678901234567890123


@pytest.mark.gate
def test_a_body_of_50_megabytes_is_sent(quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    status, _, answer = quiet_proxy.send({**HELLO, "input": "long " * 10_000_000})
    assert status == 200, answer[:300]
    assert len(json.dumps(shared_sandbox.requests[-1]["body"]["input"])) > 50_000_000


def test_a_compressed_body_is_decoded(quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    packed = gzip.compress(json.dumps(HELLO).encode())
    assert quiet_proxy.send(packed, content_encoding="gzip")[0] == 200
    assert "content-encoding" not in {name.lower() for name in shared_sandbox.requests[-1]["headers"]}
    status, _, answer = quiet_proxy.send(b"not gzip", content_encoding="gzip")
    assert status == 400
    assert error(answer)["param"] == "content-encoding"


def test_a_websocket_upgrade_is_refused_at_once(quiet_proxy: Proxy) -> None:
    status, _, answer = quiet_proxy.send(
        b"",
        method="GET",
        upgrade="websocket",
        connection="Upgrade",
        sec_websocket_version="13",
        sec_websocket_key="eA==",
    )
    assert status == 426
    assert "HTTP" in error(answer)["message"]


def test_what_the_user_has_opencode_send_reaches_a_relay_and_traces_do_not(
    tmp_path: Path, proxy: Start, sandbox: Sandbox
) -> None:
    folder = tmp_path / "proxy-home" / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.json").write_text('{"provider": {"openai": {"options": {"headers": {"Made-Up": "1"}}}}}')
    fields = {"made_up": "1", "x_relay": "2", "unheard_of": "3", "traceparent": "00-1-2-01", "b3": "0"}
    assert proxy().send({"model": "gpt-5.1", "input": "hi"}, **fields)[0] == 200
    received = sandbox.requests[0]["headers"]
    assert (received["made-up"], received["x-relay"]) == ("1", "2")
    assert not {"unheard-of", "traceparent", "b3"} & received.keys()


def test_mitmproxys_streaming_option_does_not_bypass_the_translation(proxy: Start, sandbox: Sandbox) -> None:
    running = proxy("--set", "stream_large_bodies=10")
    status, _, answer = running.send(HELLO)
    assert status == 200, answer
    (entry,) = sandbox.requests
    assert entry["body"]["store"] is False
    assert entry["path"] == "/backend-api/codex/responses"


def test_compaction_is_sent_to_the_endpoints_compact_path(quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    since = len(quiet_proxy.lines)
    status, _, answer = quiet_proxy.send({**HELLO, "stream": False}, path="/v1/responses/compact")
    assert status == 200, answer
    entry = shared_sandbox.requests[-1]
    assert entry["path"] == "/backend-api/codex/responses/compact"
    assert not {"store", "stream", "include"} & set(entry["body"])
    tokens = json.loads(answer)["usage"]["input_tokens"]
    assert quiet_proxy.wait_for(rf"· {tokens} in \(0% cached\)", since=since)


def test_a_changed_config_file_applies_to_the_next_request(proxy: Start, sandbox: Sandbox) -> None:
    running = proxy(CODEX_BASE_URL=None, CODEX_API_KEY=None)
    status, _, answer = running.send(HELLO)
    assert status == 401
    assert "`codex-transform login`" in error(answer)["message"]
    assert "CODEX_BASE_URL" in error(answer)["message"]
    assert not sandbox.requests
    file = running.home / ".opencode" / "openai-codex-auth-config.json"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.touch(0o600)
    file.write_text(json.dumps({"baseURL": sandbox.url, "apiKey": sandbox.key}))
    assert eventually(lambda: running.send(HELLO)[0] == 200)


def test_a_damaged_config_file_is_named(proxy: Start) -> None:
    running = proxy("--set", "flow_detail=0", CODEX_BASE_URL=None, CODEX_API_KEY=None)
    file = running.home / ".opencode" / "openai-codex-auth-config.json"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.touch(0o600)
    file.write_text('{"baseURL": "https://h",\n "apiKey": }')

    def named() -> bool:
        message = error(running.send(HELLO)[2])["message"]
        return "openai-codex-auth-config.json" in message and "line 2" in message

    assert eventually(named)
    running.wait_for("openai-codex-auth-config.json is damaged")


def test_an_invalid_option_prevents_the_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [MITMDUMP, "-s", ROOT / "addon.py", "--listen-port", "0", "--set", "codex_base_url=ftp://h"],
        env={"HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "codex_base_url" in done.stdout + done.stderr


def test_the_clients_disconnect_ends_the_request(quiet_proxy: Proxy, shared_sandbox: Sandbox) -> None:
    shared_sandbox.misbehave("hang", times=1)
    with socket.create_connection(("127.0.0.1", quiet_proxy.port), timeout=30) as client:
        body = json.dumps(HELLO).encode()
        client.sendall(
            b"POST http://api.openai.com/v1/responses HTTP/1.1\r\nHost: api.openai.com\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body) + body
        )
        assert b"200 OK" in client.recv(65536)
    assert shared_sandbox.wait(lambda requests: bool(requests[-1]["cancelled"]), 10)
