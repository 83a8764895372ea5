"""A call as a row of plain fields: what the usage database has of it, and with more beside it a line of a JSON log."""

from typing import Any

from codex_transform.usage.record import Record

CALL_FIELDS = "codex_call"
"""The attribute of a line of the log (`logging.LogRecord`) that has the fields of its call."""

_FAILURES = ("failed", "error", "cut")
_MAX_NAME = 200  # characters of a client's word


def usage_row(record: Record) -> dict[str, Any]:
    """Return the columns of the usage database: counts, names and times, and no content."""
    tokens, cache, model = record.all_tokens, record.cache, record.model or record.asked
    return {
        "at": record.at,
        "person": record.person,
        "address": record.address,
        "model": model and _clean(model),
        "conversation": None if record.conversation is None else _clean(record.conversation),
        "failed": record.outcome in _FAILURES,
        "input": tokens.input,
        "cached": tokens.cached,
        "output": tokens.output,
        "reasoning": tokens.reasoning,
        "first_token": record.first_token,
        "total": record.total,
        "cause": cache.cause if cache else None,
        "missed": cache.missed if cache else 0,
        "attempts": record.sent,
        "repaired": record.healed,
    }


def log_fields(record: Record) -> dict[str, Any]:
    """Return the fields of a call's line in a JSON log: those of its row, and how it ended.

    `repairs` are the names of what was repaired in the answer, `retried` the kinds of failure that were followed by
    another attempt. If the proxy itself refused the request, `refused` is the reason; otherwise it is missing.
    """
    return {
        **usage_row(record),
        "asked": record.asked,
        "effort": record.effort,
        "endpoint": record.endpoint,
        "status": record.status,
        "outcome": record.outcome,
        "error": record.error,
        "code": record.code,
        "events": record.events,
        "repairs": list(record.repaired),
        "retried": [attempt.rule for attempt in record.attempts],
        **({"refused": record.refused} if record.refused else {}),
    }


def _clean(text: str) -> str:
    """Return a client's word as SQLite takes it: of bounded length, without halves of surrogate pairs."""
    return text[:_MAX_NAME].encode("utf-8", "replace").decode()
