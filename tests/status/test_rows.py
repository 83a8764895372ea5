"""The rows of `codex-transform status`."""

from dataclasses import replace

from codex_transform.status.facts import CallFacts, EndpointFacts, PersonFacts, ProxyFacts
from codex_transform.status.rows import status_rows

FACTS = ProxyFacts(
    version="1.2",
    pid=7,
    uptime=7300,
    addresses=("127.0.0.1:8080",),
    streams=1,
    calls=2,
    problems=("codex_hosts cannot be used: the log says why",),
    endpoints=(
        EndpointFacts(name="a", url="https://a/r", state="up", takes_calls=True),
        EndpointFacts(
            name="b",
            url="https://b/r",
            models=("gpt-5.2",),
            state="down",
            takes_calls=False,
            seconds=30,
            reason="HTTP 500\x1b[31m",
            limits={"x-codex-primary-used-percent": "42"},
            limits_age=180,
        ),
    ),
    people=(PersonFacts(name="alice", requests=3, tokens_today=1200, tokens_this_month=90_000, tokens_per_day=5000),),
    refused={"unknown_key": 4},
    recent=(
        CallFacts(
            age=12,
            person="alice",
            model="gpt-5.1",
            endpoint="a",
            reason="after b failed",
            status=200,
            outcome="completed",
            attempts=("sent to a (HTTP 500)",),
        ),
        CallFacts(age=60, model=None, status=400, outcome="error", error="No."),
    ),
)


def test_all_facts_have_rows() -> None:
    assert list(status_rows(FACTS)) == [
        ("proxy", "127.0.0.1:8080 · version 1.2 · process 7 · up for 2 hours"),
        ("calls", "2 calls in progress, 1 stream open"),
        ("problems", "codex_hosts cannot be used: the log says why"),
        ("endpoint a", "up · https://a/r"),
        ("endpoint b", "down, breaker open for 30 seconds more: HTTP 500 [31m · https://b/r · only gpt-5.2"),
        ("  its limits", "primary-used-percent 42 · as reported 3 minutes ago"),
        ("client alice", "3 requests in the last minute · 1.2k of 5.0k tokens today · 90.0k this month"),
        ("refused", "unknown_key 4"),
        ("12 seconds ago", "alice · gpt-5.1 · a (after b failed) · sent to a (HTTP 500) · completed"),
        ("60 seconds ago", "no model · error 400: No."),
    ]


def test_a_draining_proxy_is_named_as_such() -> None:
    rows = dict(status_rows(replace(FACTS, draining=True)))
    assert "new calls are refused" in rows["calls"]
