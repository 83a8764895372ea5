"""Say in words of this project why a Redis server cannot be used, and how to fix it.

redis-py's own words presume that its reader calls it: for a server that wants a password they explain `HELLO`.
"""

import re
from typing import TYPE_CHECKING

from codex_transform.settings.state_url import StateUrl
from codex_transform.values import Unavailable

if TYPE_CHECKING:
    from redis import RedisError


def explain(error: "RedisError | OSError", url: StateUrl) -> Unavailable:
    """Return the error to raise for one of redis-py's; it has no password."""
    from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

    text = url.redacted(" ".join(str(error).split())).rstrip(".")
    # Older servers than Redis 6 answer `NOAUTH` in place of an error of that class.
    if isinstance(error, AuthenticationError) or text.startswith("NOAUTH"):
        if url.password:
            return Unavailable("the server does not accept the user or the password", "correct them in codex_state")
        return Unavailable("the server requires a password", f"write it into codex_state: {url.with_password}")
    if isinstance(error, NoPermissionError):
        return Unavailable(text, "give the user in codex_state that permission at the server")
    if "DB index" in text:
        return Unavailable(text, "write a lower number of a database at the end of codex_state")
    if isinstance(error, ResponseError):
        return Unavailable(text, "change that at the server, or name another one in codex_state")
    return Unavailable(text, _fix_connection(text, url))


def _fix_connection(text: str, url: StateUrl) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in text:
        file = "a file with its authority's certificate and the system's"
        return f"set SSL_CERT_FILE to {file}, or correct the host in codex_state"
    if "WRONG_VERSION_NUMBER" in text:
        return "write redis:// in codex_state in place of rediss://: that port has no TLS"
    # A plain Redis waits for the end of what it takes for a command; a port with TLS hangs up on a plain client.
    if url.scheme == "rediss" and re.search("timeout|timed out", text, re.IGNORECASE):
        return "start that server, or correct its address in codex_state: redis:// if its port has no TLS"
    if url.scheme == "redis" and re.search("reset by peer|closed by server", text, re.IGNORECASE):
        return "correct the address in codex_state: rediss:// if its port has TLS"
    return "start that server, or correct its address in codex_state"
