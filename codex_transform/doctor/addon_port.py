"""Identifies what listens on a port of this machine: our proxy, another program, or nothing.

The proxy is recognised by its answer to a question that it answers without contacting any endpoint.
"""

import http.client
from typing import Literal

from codex_transform import net
from codex_transform.status import identity

Listener = Literal["addon", "wrong mode", "other", "nobody"]
"""`wrong mode` is our proxy, but not in the mode that was looked for."""

HOST = "api.openai.com"
PATH = "/v1/responses"
"""The question is asked about this host and path."""

_TIMEOUT = 3.0


def identify_listener(host: str, port: int, *, reverse: bool = False) -> Listener:
    """Return what listens on a port; `reverse` looks for a proxy in reverse mode, else for one in another.

    Takes six seconds at most.
    """
    client = http.client.HTTPConnection(host, port, timeout=_TIMEOUT)
    try:
        client.connect()
    except OSError:
        return "nobody"
    try:
        with net.deadline(client.sock, _TIMEOUT):
            client.request(identity.METHOD, PATH if reverse else f"http://{HOST}{PATH}", headers=identity.FIELDS)
            answer = client.getresponse()
            mode = identity.mode_of(answer.status, answer.read(65536))
    except (OSError, http.client.HTTPException):
        return "other"
    finally:
        client.close()
    if mode is None:
        return "other"
    return "addon" if (mode == "reverse") == reverse else "wrong mode"
