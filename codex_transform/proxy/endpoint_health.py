"""Whether the endpoint is down, as far as recent calls have shown: nothing is sent only to find out.

It is down once several calls in a row got no answer from it at all. That holds for a while only: somebody who sends
calls elsewhere meanwhile would never learn that it is up again.
"""

import time
from collections.abc import Callable

from codex_transform.response.network_error import NO_ANSWER
from codex_transform.usage.record import Record

FAILURES = 3
"""So many calls in a row."""

REST = 30.0
"""How many seconds it counts as down after the last of them."""


class EndpointHealth:
    """What finished calls say of one endpoint at a time; another one begins anew."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._endpoint: str | None = None
        self._failures = 0
        self._failed_at = 0.0

    def observe(self, record: Record, endpoint: str | None) -> None:
        """Take a finished call to an endpoint into account; one that never got so far, or was given up, says nothing.

        `endpoint` is the address that it went to.
        """
        if endpoint is None or record.outcome == "left" or record.code == "proxy_stopped":
            return
        if endpoint != self._endpoint:
            self._endpoint, self._failures = endpoint, 0
        if record.outcome == "error" and record.code in NO_ANSWER:
            self._failures += 1
            self._failed_at = self._now()
        else:
            self._failures = 0

    def is_down(self, endpoint: str) -> bool:
        """Return whether calls to the endpoint are likely to get no answer."""
        known = endpoint == self._endpoint and self._failures >= FAILURES
        return known and self._now() - self._failed_at < REST
