"""The facts about a proxy as a person reads them: names, and a text for each."""

from collections.abc import Iterator

from codex_transform.status.facts import CallFacts, EndpointFacts, PersonFacts, ProxyFacts
from codex_transform.text import format_count, format_duration, format_tokens, one_line

_PREFIX = "x-codex-"


def status_rows(facts: ProxyFacts) -> Iterator[tuple[str, str]]:
    """Yield the rows of a table without a head."""
    version = f"version {facts.version} · process {facts.pid} · up for {format_duration(facts.uptime)}"
    yield "proxy", " · ".join((", ".join(facts.addresses) or "no address", version))
    running = f"{format_count(facts.calls, 'call')} in progress, {format_count(facts.streams, 'stream')} open"
    yield "calls", running + (" · being stopped: new calls are refused" if facts.draining else "")
    if facts.problems:
        yield "problems", "; ".join(facts.problems)
    for endpoint in facts.endpoints:
        yield f"endpoint {endpoint.name}".rstrip(), _endpoint(endpoint)
        if limits := _limits(endpoint):
            yield "  its limits", limits
    for person in facts.people:
        yield f"client {person.name}", _person(person)
    if facts.refused:
        yield "refused", " · ".join(f"{reason} {number}" for reason, number in sorted(facts.refused.items()))
    for call in facts.recent:
        yield f"{format_duration(call.age)} ago", _call(call)


def _endpoint(endpoint: EndpointFacts) -> str:
    lasting = f" for {format_duration(endpoint.seconds)} more" if endpoint.seconds else ""
    state = {"down": "down, breaker open", "half-open": "breaker half-open"}.get(endpoint.state, endpoint.state)
    reason = f": {endpoint.reason}" if endpoint.reason else ""
    models = f"only {', '.join(endpoint.models)}" if endpoint.models else ""
    return " · ".join(filter(None, (one_line(f"{state}{lasting}{reason}"), endpoint.url, models)))


def _limits(endpoint: EndpointFacts) -> str:
    limits = [f"{name.removeprefix(_PREFIX)} {value}" for name, value in sorted(endpoint.limits.items())]
    if endpoint.limits_age is not None and limits:
        limits.append(f"as reported {format_duration(endpoint.limits_age)} ago")
    return one_line(" · ".join(limits), 1000)


def _person(person: PersonFacts) -> str:
    return " · ".join(
        (
            f"{format_count(person.requests, 'request')}{_of(person.requests_per_minute)} in the last minute",
            f"{format_tokens(person.tokens_today)}{_of(person.tokens_per_day)} tokens today",
            f"{format_tokens(person.tokens_this_month)}{_of(person.tokens_per_month)} this month",
            *([f"only {', '.join(person.models)}"] if person.models else []),
        )
    )


def _of(limit: int | None) -> str:
    return "" if limit is None else f" of {format_tokens(limit)}"


def _call(call: CallFacts) -> str:
    why = f" ({call.reason})" if call.reason else ""
    error = f"{call.outcome} {call.status}: {call.error}" if call.error else call.outcome
    parts = (call.person, call.model or "no model", call.endpoint and f"{call.endpoint}{why}", *call.attempts, error)
    return " · ".join(one_line(part) for part in parts if part)
