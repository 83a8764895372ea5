"""What the sandbox received, kept for tests: bounded, and without keys.

Strategy: one record per request, appended by the server's thread and read by others; a condition lets a test wait
for what it expects instead of sleeping.
"""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

from codex_transform.redaction import redact

KEPT_REQUESTS = 200
KEPT_BYTES = 64 * 1024 * 1024

_SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key"})


@dataclass(slots=True)
class RecordedRequest:
    """One request. `headers` have lower-case names, repeated ones are joined by a comma, and secrets are redacted.

    `body` is the parsed JSON, None if it is not JSON; `content` the bytes after decompression.

    The lower half is filled in while the response is sent: its status, the names of its faults (`misbehaviour`), the
    bytes and writes of its body so far, whether the client disconnected first (`cancelled`), and whether it is over.
    """

    method: str
    path: str
    headers: dict[str, str]
    content: bytes
    connection: int
    body: Any = None
    number: int = 0
    time: float = field(default_factory=time.time)
    status: int = 0
    misbehaviour: str | None = None
    sent: int = 0
    writes: int = 0
    cancelled: bool = False
    finished: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return the record as it is now, as a dictionary."""
        return {name: getattr(self, name) for name in self.__slots__}

    def line(self) -> str:
        """Return the record as one line for a log. It quotes nothing that the user wrote."""
        body = self.body if isinstance(self.body, dict) else {}
        counts = [f"{name}={len(body[name])}" for name in ("tools", "input") if isinstance(body.get(name), list)]
        # A name that is not a model's may be anything, and must not break the line.
        model = [ascii(body["model"])[1:-1][:60]] if isinstance(body.get("model"), str) else []
        wrong = [f"misbehaved: {self.misbehaviour}"] if self.misbehaviour else []
        left = ["the client hung up"] if self.cancelled else []
        return " ".join([self.method, self.path, str(self.status), *model, *counts, f"sent={self.sent}", *wrong, *left])


def headers_for_record(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers as a record keeps them: see `RecordedRequest`.

    >>> headers_for_record([("Authorization", "Bearer sk-1234567890abcd")])
    {'authorization': 'Bearer sk-…abcd'}
    """
    kept: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if name in _SECRET:
            scheme, _, secret = value.rpartition(" ")
            value = f"{scheme} {redact(secret)}".strip()
        kept[name] = f"{kept[name]}, {value}" if name in kept else value
    return kept


class Journal:
    """The last requests, oldest first. Safe to use from any thread."""

    def __init__(self) -> None:
        self._requests: deque[RecordedRequest] = deque()
        self._bytes = 0
        self._changed = Condition()
        self._numbers = itertools.count(1)

    def add(self, received: RecordedRequest) -> None:
        """Keep a request under the next number, and drop old ones beyond the bounds."""
        with self._changed:
            received.number = next(self._numbers)
            self._requests.append(received)
            self._bytes += len(received.content)
            while len(self._requests) > KEPT_REQUESTS or (self._bytes > KEPT_BYTES and len(self._requests) > 1):
                self._bytes -= len(self._requests.popleft().content)
            self._changed.notify_all()

    def finish(self, received: RecordedRequest, *, cancelled: bool) -> None:
        """Note that the response to a request is over."""
        with self._changed:
            received.cancelled = cancelled
            received.finished = True
            self._changed.notify_all()

    def all(self) -> list[dict[str, Any]]:
        """Return the records as they are now."""
        with self._changed:
            return self._told()

    def clear(self) -> None:
        """Drop all records."""
        with self._changed:
            self._requests.clear()
            self._bytes = 0

    def wait(self, until: Callable[[list[dict[str, Any]]], bool], seconds: float) -> bool:
        """Block until `until` is true of the records, at most `seconds`, and return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: until(self._told()), seconds)

    def _told(self) -> list[dict[str, Any]]:
        return [received.as_dict() for received in self._requests]
