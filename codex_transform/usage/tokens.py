"""The numbers of a call: tokens out of an answer's `usage`, and how numbers are written for people.

What an endpoint reports is taken as far as it makes sense and never further: a count that is missing, or is no count,
is 0. Comment, log line, commands and command line write numbers with the same few functions, so that they look alike.
"""

from collections.abc import Collection, Mapping

from codex_transform.usage.record import Tokens

# No request has more tokens; a larger number is a slip of the endpoint's and would fit in no database.
_MOST = 10**12


def tokens(usage: object) -> Tokens | None:
    """The counts of a `usage` object (API reference, "The Response object"); None if it has none.

    `usage` may be anything. What is part of a count is never more than the whole.
    """
    if not isinstance(usage, Mapping):
        return None
    read, written = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    if read is None and written is None:
        return None
    cached = _count(usage.get("input_tokens_details"), "cached_tokens")
    reasoning = _count(usage.get("output_tokens_details"), "reasoning_tokens")
    return Tokens(
        input=read or 0,
        cached=min(cached or 0, read or 0),
        output=written or 0,
        reasoning=min(reasoning or 0, written or 0),
    )


def percentile(values: Collection[float], percent: int) -> float | None:
    """The smallest value that `percent` in a hundred of them do not exceed (nearest rank); None when there are none."""
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(rank, 1) - 1]


def count(number: int) -> str:
    """A number of tokens, short: `480`, `12.3k`, `123k`, `1.2M`.

    >>> count(480), count(12_345), count(1_234_567)
    ('480', '12.3k', '1.2M')
    """
    if number < 1000:
        return str(number)
    for unit in "kMG":
        value = number / 1000
        # What would be rounded to four digits is one of the next unit.
        if value < 999.5 or unit == "G":
            break
        number = round(value)
    return f"{value:.1f}{unit}" if value < 99.95 else f"{value:.0f}{unit}"


def share(part: float) -> str:
    """A part of the whole in percent; all of it only if it is all: `91%`, `99%` for 0.999.

    >>> share(0.913), share(0.999), share(1.0), share(0.0)
    ('91%', '99%', '100%', '0%')
    """
    percent = round(part * 100)
    return f"{99 if percent == 100 and part < 1 else percent}%"


def seconds(duration: float) -> str:
    """A time that somebody waited: `0.8 s`, `61 s`, `4 min 5 s`.

    >>> seconds(0.84), seconds(61.2), seconds(245)
    ('0.8 s', '61 s', '4 min 5 s')
    """
    if duration < 9.95:
        return f"{duration:.1f} s"
    whole = round(duration)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def period(duration: float) -> str:
    """A time that went by, in seconds, as people say it: `40 seconds`, `47 minutes`, `3 hours`, `2 days`.

    >>> period(1), period(47 * 60), period(3 * 3600), period(2 * 86400)
    ('1 second', '47 minutes', '3 hours', '2 days')
    """
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if duration >= 2 * size:
            return f"{int(duration // size)} {unit}s"
    whole = int(duration)
    return f"{whole} second" + ("" if whole == 1 else "s")


def _count(holder: object, name: str) -> int | None:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if type(value) is int and 0 <= value <= _MOST else None
