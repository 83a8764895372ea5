"""How much each person has used, and whether they may send one more request.

A request is counted before it is sent, so that no number of requests at once gets past a limit. What it will cost is
not known then: an estimate is reserved, and replaced by what was used when it is over. A request that begins below a
limit of tokens may go over it. Days and months are those of this machine's time zone.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock

from codex_transform.errors import ApiError
from codex_transform.people.register import Person

_MINUTE = 60.0

EXPECTED_OUTPUT = 1000
"""Tokens that are reserved for an answer."""

_SOON = 10
"""Seconds after which to ask again where only what is reserved is in the way."""


@dataclass(slots=True)
class Reservation:
    """What one request of a person may cost; `open` until it is known what it did."""

    name: str
    tokens: int
    open: bool = True


@dataclass(slots=True)
class _Used:
    """What a person has used: times of requests, the tokens of a day and of its month, and those reserved."""

    times: deque[float] = field(default_factory=deque)
    day: date = date.min
    day_tokens: int = 0
    month_tokens: int = 0
    reserved: int = 0

    def turn(self, today: date) -> None:
        """Begin a new day, and a new month."""
        if (self.day.year, self.day.month) != (today.year, today.month):
            self.month_tokens = 0
        if self.day != today:
            self.day_tokens = 0
        self.day = today


class Limiter:
    """Counts by the names of people; `now` is the clock."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._used: dict[str, _Used] = {}

    def begin_with(self, name: str, *, requests: int = 0, day: int = 0, month: int = 0) -> None:
        """Count what a person has used before: requests of the last minute, tokens of this day and month."""
        used = self._of(name)
        used.times.extendleft([self._now()] * requests)
        used.day_tokens += day
        used.month_tokens += month

    def used(self, name: str) -> tuple[int, int, int]:
        """Return a person's requests of the last minute, and their tokens of this day and month, reserved ones too."""
        used, now = self._of(name), self._now()
        recent = sum(each > now - _MINUTE for each in used.times)
        return recent, used.day_tokens + used.reserved, used.month_tokens + used.reserved

    def admit(self, person: Person, tokens: int = 0) -> Reservation:
        """Count a request that may cost so many tokens. Raises ApiError 429 for one that may not be sent now."""
        used, now = self._of(person.name), self._now()
        while used.times and used.times[0] <= now - _MINUTE:
            used.times.popleft()
        if person.requests_per_minute is not None and len(used.times) >= person.requests_per_minute:
            wait = used.times[-person.requests_per_minute] + _MINUTE - now
            raise _too_much(f"{person.requests_per_minute:,} requests a minute", "rate_limit_exceeded", wait)
        today = date.fromtimestamp(now)  # noqa: DTZ012
        month = (today.replace(day=1) + timedelta(32)).replace(day=1)
        for limit, spent, unit, end in (
            (person.tokens_per_month, used.month_tokens, "month", month),
            (person.tokens_per_day, used.day_tokens, "day", today + timedelta(1)),
        ):
            if limit is not None and spent + used.reserved >= limit:
                wait = datetime.combine(end, clock()).timestamp() - now if spent >= limit else _SOON
                raise _too_much(f"{limit:,} tokens a {unit}", "insufficient_quota", wait)
        used.times.append(now)
        return self.hold(person, tokens)

    def hold(self, person: Person, tokens: int) -> Reservation:
        """Reserve tokens for a request that is part of an admitted one."""
        self._of(person.name).reserved += tokens
        return Reservation(person.name, tokens)

    def settle(self, reservation: Reservation, tokens: int | None) -> None:
        """Count what a request has used, once; None if that is not known: then what was reserved for it."""
        if reservation.open:
            reservation.open = False
            used = self._of(reservation.name)
            used.reserved -= reservation.tokens
            spent = reservation.tokens if tokens is None else tokens
            used.day_tokens += spent
            used.month_tokens += spent

    def _of(self, name: str) -> _Used:
        used = self._used.setdefault(name, _Used())
        used.turn(date.fromtimestamp(self._now()))  # noqa: DTZ012
        return used


def _too_much(limit: str, code: str, wait: float) -> ApiError:
    return ApiError(
        429,
        f"your key's limit is reached: {limit}; wait, or ask the proxy's owner (`codex-transform clients limit`)",
        code=code,
        retry_after=max(1, math.ceil(wait)),
    )
