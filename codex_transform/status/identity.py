"""How a command finds out whether a port leads to the proxy: it asks, and the proxy answers by itself.

The question is an OPTIONS request with `Max-Forwards: 0`, which no proxy may forward (RFC 9110 section 7.6.2). It needs
no key, and is no refusal in anybody's log. The answer says whether the port is in reverse mode: a client's base URL has
to lead to such a port, and HTTPS_PROXY to any other, but the proxy answers this question on both.
"""

from collections.abc import Mapping
from typing import Literal

Mode = Literal["proxy", "reverse"]
"""How clients have to use a port: as their proxy, or as their base URL."""

METHOD = "OPTIONS"
FIELDS = {"Max-Forwards": "0"}

_ANSWERS: dict[Mode, bytes] = {
    "proxy": b'{"proxy":"codex-transform","mode":"proxy"}',
    "reverse": b'{"proxy":"codex-transform","mode":"reverse"}',
}


def asks_who_answers(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a request is that question."""
    return method.upper() == METHOD and headers.get("max-forwards", "").strip() == "0"


def answer(mode: Mode) -> bytes:
    """Return the body of the proxy's answer on a port in this mode; its status is 200."""
    return _ANSWERS[mode]


def mode_of(status: int, body: bytes) -> Mode | None:
    """Return the mode of the port that gave an answer with this status and body; None if it is not the proxy's."""
    return next((mode for mode, ours in _ANSWERS.items() if status == 200 and body == ours), None)
