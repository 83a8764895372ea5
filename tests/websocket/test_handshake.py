"""The request that opens a WebSocket: what asks for one, and what is wrong with one that does."""

import pytest

from codex_transform.websocket import handshake

VALID = {
    "connection": "keep-alive, Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    ("upgrade", "asks"),
    [
        ("websocket", True),
        (" WebSocket ", True),
        ("h2c , websocket", True),
        ("", False),
        ("h2c", False),
        ("websockets", False),
        (f"websocket{' ' * 1_000_000}x", False),
    ],
)
def test_which_requests_ask_for_a_websocket(upgrade: str, asks: bool) -> None:
    """A long blank in the header, which a client could stop the proxy with, takes no time."""
    assert handshake.asks_for_websocket({"upgrade": upgrade}) is asks


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"connection": "upgrade"}, None),
        ({"connection": "keep-alive"}, "Connection"),
        ({"sec-websocket-version": "8"}, "Version"),
        ({"sec-websocket-key": "dGhlIHNhbXBsZQ=="}, "16 bytes"),
        ({"sec-websocket-key": "é"}, "16 bytes"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(changed: dict[str, str], reason: str | None) -> None:
    found = handshake.why_not("GET", "HTTP/1.1", {**VALID, **changed})
    assert found is None if reason is None else reason in (found or "")


def test_a_websocket_takes_get_and_http_1_1() -> None:
    assert "POST" in (handshake.why_not("POST", "HTTP/1.1", VALID) or "")
    assert "HTTP/2" in (handshake.why_not("GET", "HTTP/2", VALID) or "")


def test_the_token_is_that_of_the_rfc() -> None:
    assert handshake.accept_token(VALID) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("", None),
        ("null", "null"),
        ("https://example.com:8443", "example.com"),
        ("http://[::1", "null"),
        ("vscode-file://app", None),
    ],
)
def test_the_page_that_asks_is_named(origin: str, host: str | None) -> None:
    assert handshake.foreign_origin({"origin": origin}) == host
