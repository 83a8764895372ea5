"""Read the token counts of a response.

An endpoint's report is used as far as it makes sense: a count that is missing or invalid is 0.
"""

from collections.abc import Collection, Mapping

from codex_transform.usage.record import Tokens

# No request has more tokens; a larger number is an error of the endpoint and would not fit into the database.
_MAX_TOKENS = 10**12


def parse_usage(usage: object) -> Tokens | None:
    """Return the counts of a `usage` object (API reference, "The Response object"); None if it has none.

    `usage` may be anything. A part of a count is never more than the whole.
    """
    if not isinstance(usage, Mapping):
        return None
    input_tokens, output_tokens = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    if input_tokens is None and output_tokens is None:
        return None
    cached = _count(usage.get("input_tokens_details"), "cached_tokens")
    reasoning = _count(usage.get("output_tokens_details"), "reasoning_tokens")
    return Tokens(
        input=input_tokens or 0,
        cached=min(cached or 0, input_tokens or 0),
        output=output_tokens or 0,
        reasoning=min(reasoning or 0, output_tokens or 0),
    )


def percentile(values: Collection[float], percent: int) -> float | None:
    """Return the smallest value that `percent` % of them do not exceed (nearest rank); None if there are none."""
    if not values:
        return None
    rank = -(-len(values) * percent // 100)
    return sorted(values)[max(rank, 1) - 1]


def _count(holder: object, name: str) -> int | None:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if type(value) is int and 0 <= value <= _MAX_TOKENS else None
