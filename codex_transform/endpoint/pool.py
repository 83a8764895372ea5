"""Which of several endpoints a call goes to.

Strategy: a conversation stays with the endpoint that it began on, because its prompt cache and its encrypted reasoning
are there, until that one is used up or down. A new conversation goes to the endpoints of the lowest priority that are
up, spread by their weights; which one is decided by a hash of the conversation, so that several proxies decide alike
(weighted rendezvous hashing). A limit cools an endpoint down until its own reset. Faults open a circuit breaker: after
three in a row the endpoint gets no calls for a while, then one to try it, and the next ones if that succeeds.
"""

import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from codex_transform.endpoint.url import Endpoint
from codex_transform.values import Values, key_of

MAX_FAULTS = 3
"""Faults in a row after which an endpoint is down."""

FIRST_BREAK, LONGEST_BREAK = 15.0, 300.0
"""Seconds that an endpoint is down: at first, and at most, doubled each time that a try fails."""

PROBE = 30.0
"""Seconds after which a call that tries an endpoint counts for nothing, should it have no end."""

DEFAULT_LIMIT = 60.0
"""Seconds that a limit lasts of which the endpoint does not say how long."""

TTL = 14 * 24 * 3600.0
"""Seconds that the state of an endpoint, and the endpoint of a conversation, are kept after their last use."""


class Target(NamedTuple):
    """An endpoint that calls may go to; `key` is its API key. Of the lowest `priority`, each gets calls by `weight`."""

    name: str
    endpoint: Endpoint
    key: str
    models: tuple[str, ...] = ()
    weight: int = 1
    priority: int = 0

    def __repr__(self) -> str:
        return f"Target({self.name!r}, {self.endpoint.url!r})"


class Choice(NamedTuple):
    """Where a call goes, and why, in words."""

    target: Target
    reason: str


class State(NamedTuple):
    """The state of an endpoint: for how many more `seconds`, and why.

    `limited` cools down until its reset; `down` is an open circuit breaker, `half-open` one whose next call is a try.
    """

    name: Literal["up", "limited", "down", "half-open"]
    seconds: int = 0
    reason: str = ""

    @property
    def takes_calls(self) -> bool:
        """Whether a call may go there."""
        return self.name in ("up", "half-open")

    def __str__(self) -> str:
        """Return it in words, such as `limited for 120 s: usage limit`."""
        for_long = f" for {self.seconds} s" if self.seconds else ""
        return f"{self.name}{for_long}{': ' if self.reason else ''}{self.reason}"


@dataclass(slots=True)
class Health:
    """What is known of an endpoint. Times are those of the pool's clock."""

    limited_until: float = 0.0
    down_until: float = 0.0
    pause: float = 0.0
    faults: int = 0
    probing_until: float = 0.0
    reason: str = ""


class Pool:
    """The state of endpoints. `now` is a clock in seconds."""

    def __init__(self, values: Values | None = None, now: Callable[[], float] = time.time) -> None:
        self._values = values or Values(now=now)
        self._now = now
        self._limits: dict[str, tuple[float, dict[str, str]]] = {}

    def keys(self, targets: Sequence[Target], conversation: str | None) -> dict[str, float]:
        """Return the keys of the values for endpoints and a conversation, each with its time to live in seconds."""
        known = [_health_key(each) for each in targets]
        if conversation:
            known.append(_home_key(conversation))
        return dict.fromkeys(known, TTL)

    def choose(
        self, targets: Sequence[Target], conversation: str | None, model: str, tried: Iterable[str] = ()
    ) -> Choice | None:
        """Return where a call goes, None if it can go nowhere that has not been tried.

        Without an endpoint that is up it goes to the one that will be up first, whose answer says what is the matter.
        """
        serving = [each for each in targets if not each.models or model in each.models] or list(targets)
        left = [each for each in serving if each.name not in set(tried)]
        up = [each for each in left if self._is_up(each)]
        if not up:
            if not left or tried:
                return None
            return Choice(min(left, key=self._up_at), "no endpoint is up; this one will be up first")
        home = self._values.get(_home_key(conversation)) if conversation else None
        chosen = next((Choice(each, "this conversation already uses it") for each in up if each.name == home), None)
        if chosen is None:
            lowest = min(each.priority for each in up)
            among = [each for each in up if each.priority == lowest]
            chosen = Choice(_by_weight(among, conversation), self._reason(targets, serving, among, home, tried))
            name = chosen.target.name
            if conversation:
                self._values.update(_home_key(conversation), lambda _: name, TTL)
        return chosen

    def sending(self, target: Target) -> None:
        """Note that a call is sent to an endpoint: the one call that tries it, if that is what it needs."""
        if self._of(target).faults >= MAX_FAULTS:
            self._change(target, probing_until=self._now() + PROBE)

    def succeeded(self, target: Target, *, despite_limit: bool = False) -> None:
        """Note that an endpoint has accepted a call; its limit is over if it was limited when the call was sent."""
        health = self._of(target)
        if despite_limit and health.limited_until:
            self._change(target, limited_until=0.0, reason="")
        if health.faults or health.probing_until:
            self._change(target, faults=0, pause=0.0, down_until=0.0, probing_until=0.0, reason="")

    def limited(self, target: Target, seconds: float | None, reason: str) -> None:
        """Note that an endpoint has no more to give, for so many seconds."""
        until = self._now() + (DEFAULT_LIMIT if seconds is None else seconds)
        self._change(target, limited_until=until, probing_until=0.0, reason=reason)

    def failed(self, target: Target, reason: str) -> None:
        """Note a fault of an endpoint."""
        now = self._now()

        def fail(value: dict[str, Any] | None) -> dict[str, Any]:
            health = _health(value)
            health.faults += 1
            health.probing_until, health.reason = 0.0, reason
            if health.faults >= MAX_FAULTS:
                health.pause = min(max(FIRST_BREAK, 2 * health.pause), LONGEST_BREAK)
                health.down_until = now + health.pause
            return asdict(health)

        self._values.update(_health_key(target), fail, TTL)

    def report(self, target: Target, limits: dict[str, str]) -> None:
        """Note the limits that an endpoint reports in its header fields."""
        if limits:
            self._limits[target.name] = self._now(), limits

    def state(self, target: Target) -> State:
        """Return the state of an endpoint."""
        health, now = self._of(target), self._now()
        if health.limited_until > now:
            return State("limited", math.ceil(health.limited_until - now), health.reason)
        if health.down_until > now:
            return State("down", math.ceil(health.down_until - now), health.reason)
        if health.faults >= MAX_FAULTS:
            tried = health.probing_until > now
            return State("half-open", 0, "a call is trying it" if tried else "the next call will try it")
        return State("up")

    def limits(self, target: Target) -> dict[str, str]:
        """Return the limits that an endpoint last reported to this process, by header field."""
        return self._limits.get(target.name, (0.0, {}))[1]

    def limits_age(self, target: Target) -> float | None:
        """Return how many seconds ago an endpoint reported its limits to this process, None if it never did."""
        known = self._limits.get(target.name)
        return self._now() - known[0] if known else None

    def _reason(
        self,
        targets: Sequence[Target],
        serving: Sequence[Target],
        among: Sequence[Target],
        home: str | None,
        tried: Iterable[str],
    ) -> str:
        """Return why a call goes to one of these, for which its conversation is no reason."""
        if tried := ", ".join(tried):
            return f"after {tried} failed"
        before = next((each for each in serving if each.name == home), None)
        if before is not None:
            return f"this conversation used {before.name}, which is {self.state(before)}"
        if len(serving) == 1:
            return "no other endpoint has the model" if len(targets) > 1 else ""
        if len(among) > 1:
            return f"new conversation, chosen by weight from {len(among)} endpoints"
        if min(each.priority for each in serving) < among[0].priority:
            return "no endpoint with a lower priority number is up"
        return "lowest priority number of the endpoints that are up"

    def _of(self, target: Target) -> Health:
        return _health(self._values.get(_health_key(target)))

    def _change(self, target: Target, **members: Any) -> None:
        self._values.update(_health_key(target), lambda value: {**asdict(_health(value)), **members}, TTL)

    def _is_up(self, target: Target) -> bool:
        return max(self._up_at(target), self._of(target).probing_until) <= self._now()

    def _up_at(self, target: Target) -> float:
        health = self._of(target)
        return max(health.limited_until, health.down_until)


def _health(value: dict[str, Any] | None) -> Health:
    return Health(**value) if value else Health()


def _health_key(target: Target) -> str:
    # Limits belong to a key: with another key it counts as another endpoint.
    return key_of("endpoint", target.name, target.endpoint.url, target.key)


def _home_key(conversation: str) -> str:
    return key_of("home", conversation)


def _by_weight(targets: Sequence[Target], conversation: str | None) -> Target:
    """Return one of the targets, each as often as its weight says; always the same for a conversation."""
    if conversation is None:
        return random.choices(targets, [each.weight for each in targets])[0]
    return max(targets, key=lambda each: _score(each, conversation))


def _score(target: Target, conversation: str) -> float:
    digest = sha256(f"{target.name}\0{conversation}".encode("utf-8", "surrogatepass")).digest()
    return -target.weight / math.log((int.from_bytes(digest[:8]) + 1) / (2**64 + 2))
