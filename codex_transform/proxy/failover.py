"""Where a call goes, and where it goes next if that endpoint is used up or down."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from mitmproxy import http

from codex_transform.attempts.failure import Failure
from codex_transform.endpoint.limits import reported_limits
from codex_transform.endpoint.pool import Pool, Target

LIMIT_CODES = frozenset(
    {"usage_limit_reached", "usage_not_included", "rate_limit_exceeded", "rate_limit_error", "insufficient_quota"}
)
"""Codes of an endpoint that has no more to give."""

_LIMIT_STATUSES = frozenset({401, 402, 429})
_FAULT_CODES = frozenset({"server_error", "server_is_overloaded", "overloaded_error", "slow_down"})


@dataclass(slots=True)
class Failover:
    """The endpoints that a call may go to. `target` is the one that has it, `reason` says why.

    `retarget` changes a request so that it goes to another one, with that one's key. `despite_limit` is True if it was
    sent to an endpoint that is limited, because none is up.
    """

    pool: Pool
    targets: Sequence[Target]
    target: Target
    reason: str
    conversation: str | None
    model: str
    retarget: Callable[[http.Request, Target], None]
    tried: list[str] = field(default_factory=list)
    despite_limit: bool = False

    def sending(self) -> None:
        """Note that the call is sent."""
        self.despite_limit = self.pool.state(self.target).name == "limited"
        self.pool.sending(self.target)

    def accepted(self) -> None:
        """Note that the endpoint has accepted the call."""
        self.pool.succeeded(self.target, despite_limit=self.despite_limit)

    def next(self, failure: Failure, request: http.Request | None) -> Target | None:
        """Note why a call failed, and return where it goes next, with the request changed; None if nowhere.

        Without a `request` it goes nowhere.
        """
        target, reason = self.target, failure.brief or failure.code or f"HTTP {failure.status}"
        if failure.code in LIMIT_CODES or failure.status in _LIMIT_STATUSES:
            self.pool.limited(target, failure.retry_after, reason)
        elif failure.status is None or _is_fault(failure.status) or failure.code in _FAULT_CODES:
            self.pool.failed(target, reason)
            if not (failure.code or failure.lost or failure.unreachable or failure.status):
                return None  # it may be at work on it still: it was silent for too long
        else:
            self.pool.succeeded(target)  # what it refuses is the request
            return None
        self.tried.append(target.name)
        if request is None:
            return None
        other = self.pool.choose(self.targets, self.conversation, self.model, self.tried)
        if other is None:
            return None
        self.target, self.reason = other
        self.retarget(request, self.target)
        self.sending()
        return self.target

    def report(self, fields: Iterable[tuple[str, str]]) -> None:
        """Note the limits that the endpoint reports in its header fields."""
        self.pool.report(self.target, reported_limits(fields))


def _is_fault(status: int) -> bool:
    """Return whether a status says that the server failed; 501 says that it has no such path."""
    return status >= 500 and status != 501
