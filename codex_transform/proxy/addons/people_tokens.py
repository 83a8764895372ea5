"""Addon: counts the tokens of a person's call, once they are known, against the person's limits."""

from mitmproxy import http

from codex_transform.proxy.addons.people import People
from codex_transform.proxy.admission import get_admission
from codex_transform.proxy.call import Call, get_call
from codex_transform.usage.tokens import parse_usage


class PeopleTokens:
    """Counts the tokens of finished calls."""

    def __init__(self, people: People) -> None:
        self.people = people

    def response(self, flow: http.HTTPFlow) -> None:
        """Count a finished call."""
        admission, call = get_admission(flow), get_call(flow)
        if admission and admission.reservation:
            self.people.limiter.charge(admission.reservation, _used(call) if call else 0)

    def error(self, flow: http.HTTPFlow) -> None:
        """Count a call whose client has left."""
        self.response(flow)


def _used(call: Call) -> int | None:
    """Return the tokens of all attempts; None if the response broke off before it reported them, or never does.

    Some relays report none at all: a limit would be none there.
    """
    usages = [call.usage, *(attempt.usage for attempt in (call.attempts.made if call.attempts else ()))]
    tokens = [parse_usage(usage) for usage in usages]
    silent = ("left", "cut", None) if call.subpath else ("left", "cut", None, "completed", "incomplete")
    if tokens[0] is None and call.endpoint and call.outcome in silent:
        return None
    return sum(each.input + each.output for each in tokens if each)
