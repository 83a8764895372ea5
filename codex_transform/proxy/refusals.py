"""What the proxy itself refused: counted by reason, and told in the log, once a minute for each client and message."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from mitmproxy import http

from codex_transform.endpoint.url import Endpoint
from codex_transform.errors import ApiError
from codex_transform.proxy.client_address import client_address
from codex_transform.usage.record import Record
from codex_transform.usage.refusals import Reason, refusal_reason
from codex_transform.usage.row import CALL_FIELDS

logger = logging.getLogger(__name__)

_LOG_EVERY = 60.0
"""Seconds between two lines of the log about the same thing."""

_MAX_LOGGED = 1000


class _Line(NamedTuple):
    """When a line was written, and how often that happened since which no line tells of."""

    at: float
    more: int


class Refusals:
    """Knows how many requests were refused since the start, by reason."""

    def __init__(self) -> None:
        self.counts: Counter[Reason] = Counter()
        self._subscribers: list[Callable[[Reason], None]] = []
        self._lines: dict[tuple[str, str], _Line] = {}

    def subscribe(self, subscriber: Callable[[Reason], None]) -> None:
        """Have a function called for each refusal."""
        self._subscribers.append(subscriber)

    def note(self, flow: http.HTTPFlow, error: ApiError, person: str | None = None) -> None:
        """Count a request that becomes no call, and write a line of the log; `person` is whose key it came with."""
        reason = refusal_reason(error.status, error.code)
        self._count(reason)
        who = person or (f"a client at {client_address(flow)}" if flow.client_conn.peername else "a client")
        now, what = time.monotonic(), (who, error.message)
        at, more = self._lines.get(what, _Line(now - _LOG_EVERY, 0))
        if now - at < _LOG_EVERY:
            self._lines[what] = _Line(at, more + 1)
            return
        if len(self._lines) >= _MAX_LOGGED:
            self._lines.clear()
        self._lines[what] = _Line(now, 0)
        fields = {"refused": reason, "person": person, "status": error.status, "code": error.code, "times": more + 1}
        logger.warning("refused %s: %s %s", who, error.status, error.message, extra={CALL_FIELDS: fields})

    def observe(self, record: Record, _endpoint: Endpoint | None) -> None:
        """Count a call that was refused; its record is a line of the log already."""
        if record.refused:
            self._count(record.refused)

    def _count(self, reason: Reason) -> None:
        self.counts[reason] += 1
        for subscriber in self._subscribers:
            subscriber(reason)
