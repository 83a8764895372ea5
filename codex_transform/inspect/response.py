"""The page of an answer: why it failed if it did, what it cost, and what it says.

Strategy: what a reader looks for stands first. The numbers come from the call's record; without one (the call is
under way, or the file comes from somewhere else) they come from the body, as far as it tells. Then the output, item by
item. A body of any kind makes a page.
"""

from collections.abc import Iterator
from typing import Any

from codex_transform import jsonio
from codex_transform.inspect.advice import advice
from codex_transform.inspect.items import describe, text_of
from codex_transform.inspect.parsed_body import ParsedBody, read
from codex_transform.inspect.text import pretty, section, table, wrapped
from codex_transform.response.upstream_error import UpstreamError
from codex_transform.text import format_count, one_line, sanitize, truncate
from codex_transform.usage.record import Record, Tokens
from codex_transform.usage.tokens import parse_usage

_LONGEST = 100_000  # characters of one item

_OUTCOMES = {
    "incomplete": "stopped before its end",
    "cut": "the endpoint broke off",
    "left": "the client left before the end",
}

# What the repaired things are called in the code, and for people.
_REPAIRED = {
    "JSON": "one JSON object made into a stream",
    "[DONE]": "[DONE] left out",
    "codex.*": "codex.* events left out",
    "error": "error put in OpenAI's form",
    "event name": "events renamed to their type",
    "item_id": "items given ids",
    "model": "model named as the client asked",
    "output": "output put into the final event",
    "output_index": "items numbered",
    "response": "final event completed",
    "response.done": "response.done renamed",
    "second end": "second end left out",
    "sequence_number": "events numbered",
    "status": "status put in",
    "type": "events given a type",
    "unreadable": "unreadable events left out",
    "usage": "token counts put in",
}


def render(
    body: bytes, record: Record | None = None, *, status: int | None = None, retry_after: str | None = None
) -> str:
    """Return the page for the body that a client got.

    `status` is the HTTP status, if there is no record, and `retry_after` the header of that name. Raises nothing.
    """
    answer = read(body)
    status = record.status if record else status
    return "\n".join(
        (
            *_failure(answer, record, status, retry_after),
            *table(_summary(answer, record, status)),
            *_output(answer),
        )
    )


def _failure(answer: ParsedBody, record: Record | None, status: int | None, retry_after: str | None) -> Iterator[str]:
    outcome = record.outcome if record else None
    problem = answer.problem
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


def _summary(answer: ParsedBody, record: Record | None, status: int | None) -> Iterator[tuple[str, Any]]:
    response = answer.response
    if record:
        renamed = record.asked != record.model and record.model
        name = f"{record.asked} → {record.model}" if renamed else record.asked or ""
        effort, verbosity = record.effort, record.verbosity
    else:
        name = text_of(response.get("model"))
        effort = _within(response, "reasoning", "effort")
        verbosity = _within(response, "text", "verbosity")
    yield (
        "Model",
        [
            sanitize(name),
            f"effort {sanitize(effort)}" if effort else "",
            f"verbosity {sanitize(verbosity)}" if verbosity else "",
        ],
    )
    yield "Status", [f"HTTP {status}" if status else "", _ending(answer, record)]
    yield "Tokens", list(_tokens((record and record.tokens) or parse_usage(response.get("usage"))))
    if record:
        yield "Time", list(_times(record))
        yield "Cache", _cache(record)
        yield "Repaired", ", ".join(_REPAIRED.get(name, sanitize(name)) for name in record.repaired)
    events = record.events if record else answer.events
    yield "Events", format_count(events, "event") if events else ""


def _ending(answer: ParsedBody, record: Record | None) -> str:
    said = record.outcome if record else text_of(answer.response.get("status"))
    why = _within(answer.response, "incomplete_details", "reason")
    if not record and not answer.ended:
        said = "under way, or broken off"
    words = _OUTCOMES.get(said, said)
    return sanitize(f"{words}: {why}" if why else words)


def _tokens(used: Tokens | None) -> Iterator[str]:
    if used is None:
        return
    yield f"{used.input:,} in ({used.cached:,} cached, {used.cached_share:.0%})"
    yield f"{used.output:,} out" + (f" ({used.reasoning:,} reasoning)" if used.reasoning else "")


def _cache(record: Record) -> str:
    if record.cache:
        return record.cache.says
    if record.tokens and record.conversation is None:
        return "compared with no request before it, since the client sent no prompt_cache_key"
    return ""


def _times(record: Record) -> Iterator[str]:
    first, total = record.first_token, record.total
    if first is not None:
        yield f"{_seconds(first)} to the first token"
    if total is not None:
        yield f"{_seconds(total)} in all"
    # Less is no measure of speed: it all came at once.
    if first is not None and total is not None and record.tokens and total - first > 0.1:
        yield f"{record.tokens.output / (total - first):,.0f} tokens/s"


def _seconds(time: float) -> str:
    return f"{time:.2f} s" if time < 1 else f"{time:,.1f} s"


def _output(answer: ParsedBody) -> Iterator[str]:
    for item in answer.items:
        title, text, notes, form = describe(item)
        yield from section(" · ".join((title, *notes)))
        if form == "prose" and text:
            yield from wrapped(truncate(text, _LONGEST))
        elif text:
            # As it is: line breaks of code and patches mean something.
            yield from truncate(_readable(text) if form == "json" else text, _LONGEST).split("\n")
    if answer.text.strip():
        yield from section("body, as it came", truncate(answer.text.strip(), _LONGEST).split("\n"))
    elif not answer.items and not answer.problem:
        yield from section("no output")


def _readable(text: str) -> str:
    """JSON over several lines; what is none, such as arguments that broke off, as it is."""
    if len(text) > 10 * _LONGEST:
        return text
    try:
        return pretty(jsonio.loads(text.encode(errors="replace")))
    except ValueError:
        return text


def _within(holder: Any, name: str, member: str) -> str:
    inside = holder.get(name)
    return text_of(inside.get(member)) if isinstance(inside, dict) else ""
