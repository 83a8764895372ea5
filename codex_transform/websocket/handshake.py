"""The request that opens a WebSocket (RFC 6455 section 4.2)."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from urllib.parse import urlsplit

_KEY_BYTES = 16
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def asks_for_websocket(headers: Mapping[str, str]) -> bool:
    """Return whether a request wants to go on as a WebSocket."""
    return "websocket" in _tokens(headers.get("upgrade", ""))


def why_not(method: str, version: str, headers: Mapping[str, str]) -> str | None:
    """Return what is wrong with a request for a WebSocket, None if nothing is."""
    if method != "GET" or version != "HTTP/1.1":
        return f"it must be GET and HTTP/1.1, not {method} and {version}"
    if "upgrade" not in _tokens(headers.get("connection", "")):
        return "the header `Connection: Upgrade` is missing"
    if headers.get("sec-websocket-version", "").strip() != "13":
        return "`Sec-WebSocket-Version` must be 13"
    try:
        key = base64.b64decode(headers.get("sec-websocket-key", "").strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    return None if len(key) == _KEY_BYTES else "`Sec-WebSocket-Key` must be 16 bytes in Base64"


def foreign_origin(headers: Mapping[str, str]) -> str | None:
    """Return the host of the web page that asks, None if no page does; "null" for a page that hides where it is from.

    A browser lets any page open a WebSocket to anywhere, and read it.
    """
    origin = headers.get("origin", "").strip()
    if origin == "null":
        return origin
    try:
        parts = urlsplit(origin)
    except ValueError:
        return "null"
    return (parts.hostname or "null") if parts.scheme in ("http", "https") else None


def accept_token(headers: Mapping[str, str]) -> str:
    """Return the value of `Sec-WebSocket-Accept` that answers the request's key."""
    key = headers["sec-websocket-key"].strip().encode("ascii")
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest()).decode("ascii")


def _tokens(value: str) -> list[str]:
    return [token.strip() for token in value.lower().split(",")]
