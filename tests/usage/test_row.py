"""A call's fields in a JSON log: those of the usage database, and how the call ended."""

from codex_transform.jsonio import dumps, loads
from codex_transform.usage.record import CacheVerdict, FailedAttempt, Record, Tokens
from codex_transform.usage.row import log_fields, usage_row


def test_the_fields_are_the_database_row_and_the_outcome() -> None:
    record = Record(
        at=5.0,
        person="alice",
        asked="gpt-5",
        model="gpt-5.1",
        effort="high",
        conversation="k",
        status=502,
        outcome="cut",
        error="The answer broke off.",
        code="truncated",
        repaired=("item_id",),
        tokens=Tokens(input=100, cached=60, output=20),
        first_token=0.5,
        total=2.0,
        cache=CacheVerdict(cause="idle", says="it was idle", missed=7),
        attempts=(FailedAttempt(rule="items", refused="no", done="left out", tokens=Tokens(input=1)),),
    )
    fields = loads(dumps(log_fields(record)))
    assert usage_row(record).items() <= fields.items()
    assert fields == {
        "at": 5.0, "person": "alice", "address": None,
        "model": "gpt-5.1", "conversation": "k", "failed": True, "input": 101, "cached": 60, "output": 20,
        "reasoning": 0, "first_token": 0.5, "total": 2.0, "cause": "idle", "missed": 7, "attempts": 2,
        "repaired": False, "asked": "gpt-5", "effort": "high", "endpoint": None, "status": 502, "outcome": "cut",
        "error": "The answer broke off.", "code": "truncated", "events": 0, "repairs": ["item_id"],
        "retried": ["items"],
    }  # fmt: skip


def test_a_refused_request_has_the_reason_and_no_model() -> None:
    fields = log_fields(Record(at=5.0, status=400, outcome="error", code="previous_response_not_found"))
    assert (fields["refused"], fields["model"], fields["attempts"]) == ("bad_request", None, 0)
    left = log_fields(Record(at=5.0, status=0, outcome="left"))
    assert "refused" not in left
    assert left["attempts"] == 0
