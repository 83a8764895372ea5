"""Whether no endpoint answers, as far as recent calls have shown: nothing is sent only to find out.

They are down once several calls in a row got no answer at all, wherever they went. That holds for a while only:
somebody who sends calls elsewhere meanwhile would never learn that one is up again.

The pool's circuit breakers (`endpoint/pool.py`) do not answer this. They open for errors too, which are the answer of
an endpoint and are to reach the client; they are shared with proxies on other machines, whose network may be another;
and there is one for each key, so that no key of a client's own has one that is known here.
"""

import time
from collections.abc import Callable

from codex_transform.endpoint.url import Endpoint
from codex_transform.response.network_error import NO_ANSWER
from codex_transform.usage.record import Record

FAILURES = 3
"""So many calls in a row."""

REST = 30.0
"""How many seconds they count as down after the last of them."""


class EndpointHealth:
    """What finished calls say of the endpoints that are set; with others it begins anew."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._endpoints: tuple[Endpoint, ...] = ()
        self._failures = 0
        self._failed_at = 0.0

    def observe(self, record: Record, endpoints: tuple[Endpoint, ...]) -> None:
        """Take a finished call to one of the endpoints into account; one that was given up says nothing."""
        if record.outcome == "left" or record.code == "proxy_stopped":
            return
        if endpoints != self._endpoints:
            self._endpoints, self._failures = endpoints, 0
        if record.outcome == "error" and record.code in NO_ANSWER:
            self._failures += 1
            self._failed_at = self._now()
        else:
            self._failures = 0

    def is_down(self, endpoints: tuple[Endpoint, ...]) -> bool:
        """Return whether calls to these endpoints are likely to get no answer."""
        known = endpoints == self._endpoints and self._failures >= FAILURES
        return known and self._now() - self._failed_at < REST
