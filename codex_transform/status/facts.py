"""The facts about a running proxy, as it gives them to `codex-transform status` and shows them in mitmweb.

They hold no key. The command may be of another release than the proxy: members that are not known are ignored, and each
that is added has a default.
"""

from dataclasses import dataclass, field


@dataclass(kw_only=True)
class EndpointFacts:
    """An endpoint. `state` is `up`, `limited`, `down` (its circuit breaker is open) or `half-open`.

    The state lasts for `seconds` more, 0 if that is open, because of `reason`. `limits` are the fields for limits that
    it last reported, `limits_age` seconds ago.
    """

    name: str = ""
    url: str
    models: tuple[str, ...] = ()
    weight: int = 1
    priority: int = 0
    state: str
    takes_calls: bool
    seconds: int = 0
    reason: str = ""
    limits: dict[str, str] = field(default_factory=dict)
    limits_age: float | None = None


@dataclass(kw_only=True)
class PersonFacts:
    """What a person has used: requests of the last minute, tokens of this day and month; None for no limit."""

    name: str
    requests: int
    tokens_today: int
    tokens_this_month: int
    models: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None


@dataclass(kw_only=True)
class CallFacts:
    """A finished call: where it went and why, and what was done about each failed attempt. `age` is in seconds."""

    age: float
    person: str | None = None
    model: str | None = None
    endpoint: str | None = None
    reason: str | None = None
    status: int
    outcome: str
    error: str | None = None
    attempts: tuple[str, ...] = ()


@dataclass(kw_only=True)
class ProxyFacts:
    """All of it. `addresses` are where clients reach the proxy, `uptime` is in seconds, `refused` counts by reason."""

    version: str
    pid: int
    uptime: float
    addresses: tuple[str, ...] = ()
    draining: bool = False
    streams: int = 0
    calls: int = 0
    problems: tuple[str, ...] = ()
    endpoints: tuple[EndpointFacts, ...] = ()
    people: tuple[PersonFacts, ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
    recent: tuple[CallFacts, ...] = ()

    @property
    def takes_calls(self) -> bool:
        """Whether a call may go to an endpoint."""
        return not self.draining and any(each.takes_calls for each in self.endpoints)
