"""The page of a response: why it failed, if it did, what it cost, and the output.

Strategy: what a reader looks for comes first. The numbers come from the call's record; without one (the call is in
progress, or the file comes from elsewhere) they come from the body, as far as it has them. The output follows, item by
item. A body of any kind makes a page.
"""

from collections.abc import Iterator
from typing import Any

from codex_transform import jsonio
from codex_transform.inspect.advice import advice
from codex_transform.inspect.items import describe, text_of
from codex_transform.inspect.parsed_body import ParsedBody, parse_body
from codex_transform.inspect.text import pretty, section, table, wrapped
from codex_transform.response.upstream_error import UpstreamError
from codex_transform.text import format_count, one_line, sanitize, truncate
from codex_transform.usage.record import Record, Tokens
from codex_transform.usage.tokens import parse_usage

_MAX_ITEM = 100_000  # characters of one item

_OUTCOMES = {
    "incomplete": "stopped before its end",
    "cut": "the endpoint broke off the stream",
    "left": "the client left before the end",
}

# The names of repairs in records, and the words for people.
_REPAIRS = {
    "JSON": "JSON object converted to a stream",
    "[DONE]": "[DONE] removed",
    "codex.*": "codex.* events removed",
    "defaults": "members that the endpoint left out added",
    "error": "error converted to OpenAI's form",
    "events": "missing events added",
    "event name": "events renamed to their type",
    "final event": "missing final event added",
    "item_id": "item ids added",
    "model": "model name restored",
    "output": "output added to the final event",
    "output_index": "items numbered",
    "request": "what the request said restored",
    "response": "final event completed",
    "response.done": "response.done renamed",
    "second closing": "duplicate closing event removed",
    "second opening": "duplicate opening event removed",
    "second end": "duplicate final event removed",
    "late event": "events after the final one removed",
    "sequence_number": "events numbered",
    "status": "status added",
    "type": "event types added",
    "unreadable": "unreadable events removed",
    "usage": "token counts added",
    "usage names": "token counts renamed",
}


def render(
    body: bytes, record: Record | None = None, *, status: int | None = None, retry_after: str | None = None
) -> str:
    """Return the page for the body that a client got.

    `status` is the HTTP status, used if there is no record, and `retry_after` the header of that name. Raises nothing.
    """
    parsed = parse_body(body)
    status = record.status if record else status
    return "\n".join(
        (
            *_failure(parsed, record, status, retry_after),
            *table(_summary(parsed, record, status)),
            *_output(parsed),
        )
    )


def _failure(parsed: ParsedBody, record: Record | None, status: int | None, retry_after: str | None) -> Iterator[str]:
    outcome = record.outcome if record else None
    problem = parsed.problem
    if problem is None and record and record.error:
        problem = UpstreamError(record.error)
    if problem is None and outcome not in ("cut", "left", "failed", "error"):
        return
    code = (record and record.code) or (problem and (problem.code or problem.type))
    yield " · ".join(
        [
            "THE CLIENT LEFT" if outcome == "left" else "FAILED",
            *([f"HTTP {status}"] if status and status >= 400 else []),
            *([one_line(code, 60)] if code else []),
        ]
    )
    if problem:
        yield from wrapped(problem.message[:2000])
    yield from wrapped(f"What to do: {advice(status, record, problem, retry_after)}")
    yield ""


def _summary(parsed: ParsedBody, record: Record | None, status: int | None) -> Iterator[tuple[str, Any]]:
    response = parsed.response
    if record:
        renamed = record.asked != record.model and record.model
        name = f"{record.asked} → {record.model}" if renamed else record.asked or ""
        effort, verbosity = record.effort, record.verbosity
    else:
        name = text_of(response.get("model"))
        effort = _member(response, "reasoning", "effort")
        verbosity = _member(response, "text", "verbosity")
    yield (
        "Model",
        [
            sanitize(name),
            f"effort {sanitize(effort)}" if effort else "",
            f"verbosity {sanitize(verbosity)}" if verbosity else "",
        ],
    )
    yield "Status", [f"HTTP {status}" if status else "", _ending(parsed, record)]
    yield "Tokens", list(_tokens((record and record.tokens) or parse_usage(response.get("usage"))))
    if record:
        yield "Endpoint", [one_line(record.endpoint or ""), one_line(record.reason or "")]
        yield "Time", list(_times(record))
        yield "Cache", _cache(record)
        yield "Repaired", ", ".join(_REPAIRS.get(name, sanitize(name)) for name in record.repaired)
    events = record.events if record else parsed.events
    yield "Events", format_count(events, "event") if events else ""


def _ending(parsed: ParsedBody, record: Record | None) -> str:
    outcome = record.outcome if record else text_of(parsed.response.get("status"))
    reason = _member(parsed.response, "incomplete_details", "reason")
    if not record and not parsed.ended:
        outcome = "in progress, or broken off"
    words = _OUTCOMES.get(outcome, outcome)
    return sanitize(f"{words}: {reason}" if reason else words)


def _tokens(used: Tokens | None) -> Iterator[str]:
    if used is None:
        return
    yield f"{used.input:,} in ({used.cached:,} cached, {used.cached_share:.0%})"
    yield f"{used.output:,} out" + (f" ({used.reasoning:,} reasoning)" if used.reasoning else "")


def _cache(record: Record) -> str:
    if record.cache:
        return record.cache.says
    if record.tokens and record.conversation is None:
        return "not compared with an earlier request, because the client sent no prompt_cache_key"
    return ""


def _times(record: Record) -> Iterator[str]:
    first, total = record.first_token, record.total
    if first is not None:
        yield f"{_seconds(first)} to the first token"
    if total is not None:
        yield f"{_seconds(total)} in all"
    # A shorter time says nothing about speed: everything came at once.
    if first is not None and total is not None and record.tokens and total - first > 0.1:
        yield f"{record.tokens.output / (total - first):,.0f} tokens/s"


def _seconds(time: float) -> str:
    return f"{time:.2f} s" if time < 1 else f"{time:,.1f} s"


def _output(parsed: ParsedBody) -> Iterator[str]:
    for item in parsed.items:
        title, text, notes, form = describe(item)
        yield from section(" · ".join((title, *notes)))
        if form == "prose" and text:
            yield from wrapped(truncate(text, _MAX_ITEM))
        elif text:
            # Not wrapped: the line breaks of code and patches have a meaning.
            yield from truncate(_readable(text) if form == "json" else text, _MAX_ITEM).split("\n")
    if parsed.text.strip():
        yield from section("body, as received", truncate(parsed.text.strip(), _MAX_ITEM).split("\n"))
    elif not parsed.items and not parsed.problem:
        yield from section("no output")


def _readable(text: str) -> str:
    """Return JSON over several lines, and anything else, such as truncated arguments, as it is."""
    if len(text) > 10 * _MAX_ITEM:
        return text
    try:
        return pretty(jsonio.loads(text.encode(errors="replace")))
    except ValueError:
        return text


def _member(body: Any, name: str, member: str) -> str:
    inside = body.get(name)
    return text_of(inside.get(member)) if isinstance(inside, dict) else ""
