"""How much each person has used, and whether they may send one more request.

A request is counted before it is sent, so that no number of requests at once gets past a limit. What it will cost is
not known then: an estimate is reserved, and replaced by what was used when it is over. A request that begins below a
limit of tokens may go over it. Days and months are those of this machine's time zone. Proxies that share their values
count together.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import TYPE_CHECKING, Any, NamedTuple

from codex_transform.errors import ApiError
from codex_transform.values import Unavailable, Values, key_of

if TYPE_CHECKING:
    from codex_transform.people.person import Limits, Person

_MINUTE = 60.0

EXPECTED_OUTPUT = 1000
"""Tokens that are reserved for an answer."""

RESERVED_FOR = 600.0
"""Seconds after which a reservation expires: the proxy that made it may have been killed."""

TTL = 40 * 24 * 3600.0
"""Seconds that counts are kept after their last use: longer than a month."""

_KEPT_TIMES = 1000
"""Times of requests that are kept for a person without a limit, who may get one later."""

_SOON = 10
"""Seconds after which to ask again where only what is reserved is in the way."""


@dataclass(slots=True)
class Reservation:
    """What one request of a person may cost; `open` until it is known what it did."""

    id: str
    name: str
    tokens: int
    open: bool = True


class _Used(NamedTuple):
    """What a person has used: times of requests, the tokens of a day and of its month.

    `reserved` has the tokens of requests under way and until when they count, by the ids of reservations.
    """

    times: list[float]
    day: str
    day_tokens: int = 0
    month_tokens: int = 0
    reserved: dict[str, tuple[int, float]] = {}  # noqa: RUF012 - never changed in place

    def at(self, now: float) -> _Used:
        """Return the counts without those that have expired: requests, days, months and reservations."""
        today = date.fromtimestamp(now).isoformat()  # noqa: DTZ012
        return _Used(
            [each for each in self.times if each > now - _MINUTE],
            today,
            self.day_tokens if self.day == today else 0,
            self.month_tokens if self.day[:7] == today[:7] else 0,
            {name: each for name, each in self.reserved.items() if each[1] > now},
        )


class Limiter:
    """Counts by the names of people; `now` is the clock.

    `fails_closed` returns whether people with limits are refused while shared values cannot be reached; otherwise this
    process counts on its own meanwhile.
    """

    def __init__(
        self,
        values: Values | None = None,
        *,
        fails_closed: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._values = values or Values(now=now)
        self._fails_closed = fails_closed
        self._now = now
        self._before: dict[str, _Used] = {}

    def begin_with(self, name: str, *, requests: int = 0, day: int = 0, month: int = 0) -> None:
        """Set the least that a person has used before: requests of the last minute, tokens of this day and month."""
        now = self._now()
        before = self._before.get(name, _Used([], "")).at(now)
        times = [now] * requests + before.times
        self._before[name] = before._replace(
            times=times, day_tokens=before.day_tokens + day, month_tokens=before.month_tokens + month
        )

    def keys(self, names: Iterable[str]) -> dict[str, float]:
        """Return the keys of the values for people, each with its time to live in seconds."""
        return {_key(name): TTL for name in names}

    def used(self, name: str) -> tuple[int, int, int]:
        """Return a person's requests of the last minute, and their tokens of this day and month, reserved ones too."""
        used = self._used(name, self._values.get(_key(name)), self._now())
        reserved = sum(tokens for tokens, _ in used.reserved.values())
        return len(used.times), used.day_tokens + reserved, used.month_tokens + reserved

    async def admit(self, person: Person, tokens: int = 0) -> Reservation:
        """Count a request that may cost so many tokens.

        Raises ApiError 429 if it may not be sent now, and 503 if the counts cannot be reached.
        """
        now, reservation = self._now(), _reservation(person, tokens)

        def count(value: list[Any] | None) -> list[Any]:
            used = self._used(person.name, value, now)
            _check(person, used, now)
            kept = max(person.requests_per_minute or 0, _KEPT_TIMES)
            used = used._replace(times=[*used.times, round(now, 3)][-kept:])
            return list(_with(used, reservation, now))

        if not is_limited(person):
            self._values.update(_key(person.name), count, TTL)
            return reservation
        try:
            await self._values.commit(_key(person.name), count, TTL)
        except Unavailable:
            if self._fails_closed():
                raise _uncounted() from None
            self._values.update(_key(person.name), count, TTL)
        return reservation

    def hold(self, person: Person, tokens: int) -> Reservation:
        """Reserve tokens for a request that is part of an admitted one."""
        now, reservation = self._now(), _reservation(person, tokens)

        def reserve(value: list[Any] | None) -> list[Any]:
            return list(_with(self._used(person.name, value, now), reservation, now))

        if tokens:
            self._values.update(_key(person.name), reserve, TTL)
        return reservation

    def charge(self, reservation: Reservation, tokens: int | None) -> None:
        """Count what a request has used, once; None if that is not known: then what was reserved for it."""
        if not reservation.open:
            return
        reservation.open = False
        now, spent = self._now(), reservation.tokens if tokens is None else tokens
        if not spent and not reservation.tokens:
            return

        def count(value: list[Any] | None) -> list[Any]:
            used = self._used(reservation.name, value, now)
            reserved = {name: each for name, each in used.reserved.items() if name != reservation.id}
            used = used._replace(reserved=reserved)
            return list(used._replace(day_tokens=used.day_tokens + spent, month_tokens=used.month_tokens + spent))

        self._values.update(_key(reservation.name), count, TTL)

    def _used(self, name: str, value: list[Any] | None, now: float) -> _Used:
        """Return what a person has used, at least what `begin_with` was told."""
        before = self._before.get(name, _Used([], "")).at(now)
        if not value:
            return before
        used = _Used(*value).at(now)
        return used._replace(
            day_tokens=max(used.day_tokens, before.day_tokens), month_tokens=max(used.month_tokens, before.month_tokens)
        )


def is_limited(limits: Limits) -> bool:
    """Return whether there is a limit of requests or tokens."""
    return limits.requests_per_minute is not None or limits.counts_tokens


def _check(person: Person, used: _Used, now: float) -> None:
    """Raise ApiError 429 if one more request is too many."""
    limit = person.requests_per_minute
    if limit is not None and len(used.times) >= limit:
        raise _too_much(f"{limit:,} requests a minute", "rate_limit_exceeded", used.times[-limit] + _MINUTE - now)
    today = date.fromtimestamp(now)  # noqa: DTZ012
    month = (today.replace(day=1) + timedelta(32)).replace(day=1)
    reserved = sum(tokens for tokens, _ in used.reserved.values())
    for limit, spent, unit, end in (
        (person.tokens_per_month, used.month_tokens, "month", month),
        (person.tokens_per_day, used.day_tokens, "day", today + timedelta(1)),
    ):
        if limit is not None and spent + reserved >= limit:
            wait = datetime.combine(end, clock()).timestamp() - now if spent >= limit else _SOON
            raise _too_much(f"{limit:,} tokens a {unit}", "insufficient_quota", wait)


def _with(used: _Used, reservation: Reservation, now: float) -> _Used:
    if not reservation.tokens:
        return used
    return used._replace(reserved={**used.reserved, reservation.id: (reservation.tokens, now + RESERVED_FOR)})


def _reservation(person: Person, tokens: int) -> Reservation:
    return Reservation(secrets.token_hex(8), person.name, tokens)


def _key(name: str) -> str:
    return key_of("used", name)


def _too_much(limit: str, code: str, wait: float) -> ApiError:
    return ApiError(
        429,
        f"your key's limit is reached: {limit}; wait, or ask the proxy's owner (`codex-transform clients limit`)",
        code=code,
        retry_after=max(1, math.ceil(wait)),
    )


def _uncounted() -> ApiError:
    return ApiError(
        503,
        "your key has limits, and how much you have used cannot be read now. Fix: try again; the log of the proxy says "
        "why",
        code="state_unavailable",
        retry_after=_SOON,
    )
