"""The numbers of a call: tokens out of an answer's `usage`, and how numbers are written for people.

What an endpoint reports is taken as far as it makes sense and never further: a count that is missing, or is no count,
is 0. Comment, log line, commands and command line write numbers with the same few functions, so that they look alike.
"""

from collections.abc import Collection, Mapping

from codex_transform.usage.record import Tokens

# No request has more tokens; a larger number is a slip of the endpoint's and would fit in no database.
_MAX_TOKENS = 10**12


def parse_usage(usage: object) -> Tokens | None:
    """Return the counts of a `usage` object (API reference, "The Response object"); None if it has none.

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
    """Return the smallest value that `percent` in a hundred of them do not exceed (nearest rank).

    None when there are none.
    """
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(rank, 1) - 1]


def _count(holder: object, name: str) -> int | None:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else None
