"""When a limit ends: the whole seconds for a `retry-after` header, from wherever an endpoint says it.

A Codex endpoint says it in the error (`resets_in_seconds`, `resets_at` in unix seconds), in its `x-codex-*` headers
for each of its two windows (Codex CLI 0.111, `codex-api/src/rate_limits.rs`), or in a plain `retry-after`
(RFC 9110 section 10.2.3: seconds or a date). Relays also use other names, ISO 8601 dates, and plain words ("try again
in 3h 12m").
"""

import math
import re
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

_WINDOWS = ("primary", "secondary")

# Members of an error, by the frequency with which endpoints use them.
_SECONDS = ("resets_in_seconds", "reset_in_seconds", "retry_after")
_MOMENTS = ("resets_at", "reset_at", "resetsAt", "resetAt")

# "try again in 3h 12m", "Please retry after 20 seconds", "resets in 1.5 hours"
_IN = re.compile(
    r"(?:again|retry|resets?)\s+(?:in|after)\s+((?:\d+(?:\.\d+)?\s*[dhms][a-z]*[\s,]*(?:and\s+)?)+)",
    re.IGNORECASE,
)
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|ms|m|s)", re.IGNORECASE)
_UNITS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

# A larger number is a time in milliseconds: in seconds it would be the year 5138.
_MILLISECONDS = 1e11

# A week's window is the longest there is; what claims more than this is no time to wait.
_LONGEST = 366 * 24 * 3600


def seconds_until_reset(
    details: Mapping[str, Any], headers: Mapping[str, str], now: float | None = None, message: str = ""
) -> int | None:
    """Return the whole seconds until a new try makes sense, None if nothing says so.

    `details` is the JSON object of the error, `message` its words, `headers` have lower-case names, `now` is in unix
    seconds (default: the present). A time that has passed counts as one second.
    """
    now = time.time() if now is None else now
    for seconds in (
        *(_number(details.get(name)) for name in _SECONDS),
        *(_until(_moment(details.get(name)), now) for name in _MOMENTS),
        _windows(headers, now, used_up=True),
        _number(headers.get("retry-after")),
        _until(_date(headers.get("retry-after")), now),
        _words(message),
        _windows(headers, now, used_up=False),
    ):
        if seconds is not None and seconds < _LONGEST:
            return max(1, math.ceil(seconds))
    return None


def _windows(headers: Mapping[str, str], now: float, *, used_up: bool) -> float | None:
    """Return the wait for the windows that are used up: all must have room again.

    Or else for the one that ends first.
    """
    waits = []
    for window in _WINDOWS:
        name = f"x-codex-{window}"
        wait = _number(headers.get(f"{name}-reset-after-seconds"))
        if not wait:
            wait = _until(_number(headers.get(f"{name}-reset-at")), now)
        used = _number(headers.get(f"{name}-used-percent")) or 0
        if wait and wait > 0 and (used >= 100) == used_up:
            waits.append(wait)
    return (max if used_up else min)(waits, default=None)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _moment(value: Any) -> float | None:
    """Return a time in unix seconds: of a number of seconds or milliseconds, or of an ISO 8601 date."""
    number = _number(value)
    if number is not None:
        return number / 1000 if number > _MILLISECONDS else number
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def _words(message: str) -> float | None:
    """Return the seconds that a sentence tells to wait."""
    match = _IN.search(message)
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in _AMOUNT.findall(match[1])) if match else None


def _date(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError, OSError):
        return None


def _until(moment: float | None, now: float) -> float | None:
    return None if moment is None else moment - now
