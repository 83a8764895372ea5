"""Identify who listens on a port of this machine: our proxy, something else, nobody.

The proxy is recognised by a request that the addon answers by itself and that goes nowhere: an upgrade to WebSocket.
"""

import http.client
import json
from typing import Literal

from codex_transform import net

Listener = Literal["addon", "other", "nobody"]

HOST = "api.openai.com"
PATH = "/v1/responses"
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}
"""The request is a GET of this host and path with these headers."""

_TIMEOUT = 3.0


def is_ours(status: int, body: str) -> bool:
    """Return True for the answer of the addon to that request."""
    try:
        return status == 426 and "this proxy speaks HTTP only" in json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return False


def identify_listener(host: str, port: int, *, reverse: bool = False) -> Listener:
    """Who listens there; with `reverse` a proxy in reverse mode is looked for. Takes six seconds at most."""
    client = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        client.connect()
    except OSError:
        return "nobody"
    try:
        with net.deadline(client.sock, _TIMEOUT):
            client.request("GET", PATH if reverse else f"http://{HOST}{PATH}", headers=UPGRADE)
            answer = client.getresponse()
            return "addon" if is_ours(answer.status, answer.read(65536).decode(errors="replace")) else "other"
    except (OSError, http.client.HTTPException):
        return "other"
    finally:
        client.close()
