"""Identifies what listens on a port of this machine: our proxy, another program, or nothing.

The proxy is recognised by its answer to a WebSocket upgrade, which the addon refuses without contacting any endpoint.
"""

import http.client
import json
from typing import Literal

from codex_transform import net

Listener = Literal["addon", "other", "nobody"]

HOST = "api.openai.com"
PATH = "/v1/responses"
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}
"""The request is a GET for this host and path with these headers."""

_TIMEOUT = 3.0


def is_ours(status: int, body: str) -> bool:
    """Return whether a response to that request, with this status and body, comes from the addon."""
    try:
        return status == 426 and "this proxy speaks HTTP only" in json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return False


def identify_listener(host: str, port: int, *, reverse: bool = False) -> Listener:
    """Return what listens on a port; `reverse` looks for a proxy in reverse mode. Takes six seconds at most."""
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
