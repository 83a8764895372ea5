"""A call in one line: the comment on its flow, the line in the log, and the flow's marker.

All are made from the `Record` alone. The parts of a line are in the order of their importance, so that a narrow column
or terminal cuts off the least important. Text of a client or an endpoint is quoted as one line of printable characters.
"""

from codex_transform.response.upstream_error import UpstreamError
from codex_transform.text import format_latency, format_percent, format_tokens, one_line
from codex_transform.usage.record import Record

REPAIRED = ":pencil2:"
FAILED = ":heavy_multiplication_x:"
LIMITED = ":warning:"
LEFT = ":leftwards_arrow_with_hook:"
INCOMPLETE = ":scissors:"

# Browsers without a font of coloured emoji have these too.
MARKERS = {REPAIRED: "✏", FAILED: "✖", LIMITED: "⚠", LEFT: "↩", INCOMPLETE: "✂"}
"""mitmproxy's names of the markers, and their glyphs."""

# Every response of a Codex endpoint needs these: they are not worth mentioning, let alone a marker.
_ROUTINE = frozenset({"model", "output", "request", "defaults"})

# Why the cache missed, shortened for a line; other causes are short enough.
_CAUSES = {
    "model": "new model",
    "effort": "new effort",
    "tools": "new tools",
    "item": "new history",
    "endpoint": "unexplained",
}

# A miss is mentioned from so many tokens, or a tenth of what could have been cached.
_MIN_MISS = 1024


def flow_marker(record: Record) -> str:
    """Return the marker of a flow; "" for a call that simply succeeded."""
    if record.outcome == "left":
        return LEFT
    if record.outcome in ("failed", "error", "cut"):
        limited = record.status == 429 or UpstreamError("", code=record.code).status == 429
        return LIMITED if limited else FAILED
    if record.outcome == "incomplete":
        return INCOMPLETE
    return REPAIRED if _repairs(record) or record.attempts else ""


def flow_comment(record: Record) -> str:
    """Return `gpt-5.1-codex high · 12.3k in (91% cached) · 480 out · 0.8 s → 6.1 s`, then what was unusual.

    The marker's glyph comes first: sorted by their comments, flows are sorted by their markers.
    """
    parts = [
        _model(record),
        record.person or "",
        record.address or "",
        *_tokens(record),
        _times(record),
        _outcome(record),
        *_attempts(record),
        _repaired(record),
    ]
    if record.cache and _missed(record):
        parts.append(f"cache: {one_line(record.cache.says)}")
    text = " · ".join(part for part in parts if part)
    return f"{MARKERS[mark]} {text}" if (mark := flow_marker(record)) else text


def log_line(record: Record) -> str:
    """Return the same for the log, with a word about a missed cache instead of a sentence."""
    asked, model = record.asked or "", _model(record)
    if record.model and not asked.rpartition("/")[2].lower().startswith(record.model.lower()):
        model = f"{one_line(asked, 80)} → {model}"
    missed = _missed(record)
    why = f": {_CAUSES.get(missed, missed)}" if missed else ""
    parts = [
        model,
        record.person or "",
        record.address or "",
        *_tokens(record, why),
        _times(record),
        _outcome(record),
        *_attempts(record),
        _repaired(record),
    ]
    return " · ".join(part for part in parts if part)


def _model(record: Record) -> str:
    name = record.model or record.asked
    return one_line(" ".join(filter(None, (name, record.effort))), 80) if name else "refused"


def _outcome(record: Record) -> str:
    outcome = {
        "completed": "",
        "left": "client left",
        "cut": "cut off",
        "error": f"{record.status} {one_line(record.code or '')}".rstrip(),
        "failed": f"failed {one_line(record.code or '')}".rstrip(),
    }.get(record.outcome, record.outcome)
    return f"{outcome}: {one_line(record.error)}" if record.error else outcome


def _tokens(record: Record, why: str = "") -> list[str]:
    tokens = record.tokens
    if tokens is None:
        return []
    cached = f" ({format_percent(tokens.cached_share)} cached{why})" if tokens.input else ""
    return [f"{format_tokens(tokens.input)} in{cached}", f"{format_tokens(tokens.output)} out"]


def _missed(record: Record) -> str:
    """Return why tokens were not cached that could have been; "" if there are hardly any."""
    cache = record.cache
    if cache is None or cache.cause in ("first", "append"):
        return ""
    return cache.cause if cache.missed >= _MIN_MISS or 10 * cache.missed > (cache.expected or 0) > 0 else ""


def _times(record: Record) -> str:
    return " → ".join(format_latency(time) for time in (record.first_token, record.total) if time is not None)


def _attempts(record: Record) -> list[str]:
    """Return what was done about each attempt that failed."""
    return [f"{one_line(attempt.done)} ({one_line(attempt.refused, 120)})" for attempt in record.attempts]


def _repairs(record: Record) -> list[str]:
    return [name for name in record.repaired if name not in _ROUTINE]


def _repaired(record: Record) -> str:
    """Return the repairs of a response; those of an error only made it readable."""
    names = _repairs(record) if record.outcome in ("completed", "incomplete") else []
    return f"repaired: {one_line(', '.join(names))}" if names else ""
