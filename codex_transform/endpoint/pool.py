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
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, NamedTuple

from codex_transform.endpoint.url import Endpoint

MAX_FAULTS = 3
"""Faults in a row after which an endpoint is down."""

FIRST_BREAK, LONGEST_BREAK = 15.0, 300.0
"""Seconds that an endpoint is down: at first, and at most, doubled each time that a try fails."""

PROBE = 30.0
"""Seconds after which a call that tries an endpoint counts for nothing, should it have no end."""

DEFAULT_LIMIT = 60.0
"""Seconds that a limit lasts of which the endpoint does not say how long."""

MAX_CONVERSATIONS = 10_000
"""Conversations whose endpoint is remembered; the oldest are forgotten."""


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
    """What is known of an endpoint. Times are those of the pool's clock.

    `limits` are what it last reported, and `reported_at` is when.
    """

    limited_until: float = 0.0
    down_until: float = 0.0
    pause: float = 0.0
    faults: int = 0
    probing_until: float = 0.0
    reason: str = ""
    limits: dict[str, str] = field(default_factory=dict)
    reported_at: float | None = None


class Pool:
    """The state of endpoints, by name. `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._health: dict[str, Health] = {}
        self._conversations: OrderedDict[str, str] = OrderedDict()

    def choose(
        self, targets: Sequence[Target], conversation: str | None, model: str, tried: Iterable[str] = ()
    ) -> Choice | None:
        """Return where a call goes, None if it can go nowhere that has not been tried.

        Without an endpoint that is up it goes to the one that will be up first, whose answer says what is the matter.
        """
        serving = [each for each in targets if not each.models or model in each.models] or list(targets)
        left = [each for each in serving if each.name not in set(tried)]
        up = [each for each in left if self._is_up(each.name)]
        if not up:
            if not left or tried:
                return None
            return Choice(min(left, key=lambda each: self._up_at(each.name)), "none is up, and it will be first")
        home = self._conversations.get(conversation) if conversation else None
        chosen = next((Choice(each, "its conversation is there") for each in up if each.name == home), None)
        if chosen is None:
            lowest = min(each.priority for each in up)
            among = [each for each in up if each.priority == lowest]
            chosen = Choice(_by_weight(among, conversation), self._reason(targets, serving, among, home, tried))
        self._remember(conversation, chosen.target.name)
        health = self._of(chosen.target.name)
        if health.faults >= MAX_FAULTS:
            health.probing_until = self._now() + PROBE
        return chosen

    def succeeded(self, name: str) -> None:
        """Note that an endpoint has accepted a call."""
        health = self._of(name)
        health.faults, health.pause, health.down_until, health.probing_until, health.reason = 0, 0.0, 0.0, 0.0, ""

    def limited(self, name: str, seconds: float | None, reason: str) -> None:
        """Note that an endpoint has no more to give, for so many seconds."""
        health = self._of(name)
        health.limited_until = self._now() + (DEFAULT_LIMIT if seconds is None else seconds)
        health.probing_until, health.reason = 0.0, reason

    def failed(self, name: str, reason: str) -> None:
        """Note a fault of an endpoint."""
        health = self._of(name)
        health.faults += 1
        health.probing_until, health.reason = 0.0, reason
        if health.faults >= MAX_FAULTS:
            health.pause = min(max(FIRST_BREAK, 2 * health.pause), LONGEST_BREAK)
            health.down_until = self._now() + health.pause

    def report(self, name: str, limits: dict[str, str]) -> None:
        """Note the limits that an endpoint reports in its header fields."""
        if limits:
            self._of(name).limits, self._of(name).reported_at = limits, self._now()

    def state(self, name: str) -> State:
        """Return the state of an endpoint."""
        health, now = self._of(name), self._now()
        if health.limited_until > now:
            return State("limited", math.ceil(health.limited_until - now), health.reason)
        if health.down_until > now:
            return State("down", math.ceil(health.down_until - now), health.reason)
        if health.faults >= MAX_FAULTS:
            return State("half-open", 0, "a call tries it" if health.probing_until > now else "the next call tries it")
        return State("up")

    def limits(self, name: str) -> dict[str, str]:
        """Return the limits that an endpoint last reported, by header field."""
        return self._of(name).limits

    def limits_age(self, name: str) -> float | None:
        """Return how many seconds ago an endpoint reported its limits, None if it never did."""
        reported_at = self._of(name).reported_at
        return None if reported_at is None else self._now() - reported_at

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
            return f"not answered by {tried}"
        if home is not None and any(each.name == home for each in serving):
            return f"its conversation was at {home}, which is {self.state(home)}"
        if len(serving) == 1:
            return "no other has the model" if len(targets) > 1 else ""
        if len(among) > 1:
            return f"a new conversation, by weight among {len(among)}"
        above = min(each.priority for each in serving) < among[0].priority
        return "those before it are not up" if above else "the lowest priority of those that are up"

    def _of(self, name: str) -> Health:
        return self._health.setdefault(name, Health())

    def _is_up(self, name: str) -> bool:
        health = self._of(name)
        return max(self._up_at(name), health.probing_until) <= self._now()

    def _up_at(self, name: str) -> float:
        health = self._of(name)
        return max(health.limited_until, health.down_until)

    def _remember(self, conversation: str | None, name: str) -> None:
        if conversation is None:
            return
        self._conversations[conversation] = name
        self._conversations.move_to_end(conversation)
        if len(self._conversations) > MAX_CONVERSATIONS:
            self._conversations.popitem(last=False)


def _by_weight(targets: Sequence[Target], conversation: str | None) -> Target:
    """Return one of the targets, each as often as its weight says; always the same for a conversation."""
    if conversation is None:
        return random.choices(targets, [each.weight for each in targets])[0]
    return max(targets, key=lambda each: _score(each, conversation))


def _score(target: Target, conversation: str) -> float:
    digest = sha256(f"{target.name}\0{conversation}".encode("utf-8", "surrogatepass")).digest()
    return -target.weight / math.log((int.from_bytes(digest[:8]) + 1) / (2**64 + 2))
