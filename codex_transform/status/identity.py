"""How a command finds out whether a port leads to the proxy: it asks, and the proxy answers by itself.

The question is an OPTIONS request with `Max-Forwards: 0`, which no proxy may forward (RFC 9110 section 7.6.2). It needs
no key, and is no refusal in anybody's log.
"""

from collections.abc import Mapping

METHOD = "OPTIONS"
FIELDS = {"Max-Forwards": "0"}

ANSWER = b'{"proxy":"codex-transform"}'
"""The body of the answer, whose status is 200."""


def asks_who_answers(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request is that question."""
    return method.upper() == METHOD and headers.get("max-forwards", "").strip() == "0"


def is_ours(status: int, body: bytes) -> bool:
    """Return whether an answer with this status and body is the proxy's."""
    return status == 200 and body == ANSWER
