"""When a limit ends: the whole seconds for a `retry-after` header, from wherever an endpoint says it.

A Codex endpoint says it in the error (`resets_in_seconds`, `resets_at` in unix seconds), in its `x-codex-*` headers
for each of its two windows (Codex CLI 0.111, `codex-api/src/rate_limits.rs`), or in a plain `retry-after`
(RFC 9110 section 10.2.3: seconds or a date).
"""

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

_WINDOWS = ("primary", "secondary")

# A week's window is the longest there is; what claims more than this is no time to wait.
_LONGEST = 366 * 24 * 3600


def seconds_until_reset(details: Mapping[str, Any], headers: Mapping[str, str], now: float | None = None) -> int | None:
    """Whole seconds until a new try makes sense, None if nothing says so.

    `details` is the JSON object of the error, `headers` have lower-case names, `now` is in unix seconds (default: the
    present). A time that has passed counts as one second.
    """
    now = time.time() if now is None else now
    for seconds in (
        _number(details.get("resets_in_seconds")),
        _until(_number(details.get("resets_at")), now),
        _windows(headers, now, used_up=True),
        _number(headers.get("retry-after")),
        _until(_date(headers.get("retry-after")), now),
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


def _date(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except (ValueError, OverflowError, OSError):
        return None


def _until(moment: float | None, now: float) -> float | None:
    return None if moment is None else moment - now
