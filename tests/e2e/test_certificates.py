"""The endpoint's certificate: for another name, expired, or from a private CA, and how to trust that CA."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.certificates import certificate
from support.running import Proxy, mitmdump

from codex_transform.sandbox import Sandbox, running

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

HELLO: dict[str, Any] = {"model": "gpt-5.1-codex", "input": "say hello", "stream": True}


@contextmanager
def proxy_to(folder: Path, certfile: Path, trusted: Path | None) -> Iterator[Proxy]:
    if trusted:
        settings = folder / "home" / ".mitmproxy" / "config.yaml"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(f"ssl_verify_upstream_trusted_ca: {trusted}\n")
    with running(Sandbox(certfile=str(certfile))) as endpoint, mitmdump(folder / "home", endpoint) as proxy:
        yield proxy


def refusal(proxy: Proxy) -> str:
    status, headers, body = proxy.send(HELLO)
    assert status == 502
    assert headers["content-type"] == "application/json"
    return str(json.loads(body)["error"]["message"])


def test_a_private_ca_can_be_trusted_as_the_message_says(tmp_path: Path) -> None:
    """The message says how to trust it, and that works."""
    both, trusted = certificate(tmp_path)
    with proxy_to(tmp_path, both, None) as proxy:
        for _ in range(2):
            message = refusal(proxy)
            assert "certificate cannot be trusted" in message
            assert "ssl_verify_upstream_trusted_ca: FILE" in message
    with proxy_to(tmp_path, both, trusted) as proxy:
        status, _, body = proxy.send(HELLO)
        assert status == 200
        assert b"response.completed" in body


@pytest.mark.parametrize(
    ("address", "until", "said"),
    [("127.0.0.2", timedelta(days=1), "IP address mismatch"), ("127.0.0.1", timedelta(days=-1), "expired")],
)
def test_for_a_wrong_or_expired_certificate_trusting_a_ca_is_not_suggested(
    tmp_path: Path, address: str, until: timedelta, said: str
) -> None:
    """Trusting the CA of a certificate that has expired or is for another address would not help."""
    both, trusted = certificate(tmp_path, address, until=until)
    with proxy_to(tmp_path, both, trusted) as proxy:
        message = refusal(proxy)
        assert said in message
        assert "ssl_verify_upstream_trusted_ca" not in message
