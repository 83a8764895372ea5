"""A call as one line of the log, and as the comment and marker of its flow."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.text import one_line
from codex_transform.usage import log_line
from codex_transform.usage.record import CacheVerdict, FailedAttempt, Record, Tokens

TOKENS = Tokens(input=12_345, cached=11_234, output=480)
SAYS = "tool `bash` changed by the client: 11.0k not cached"
MISSED = CacheVerdict(cause="tools", says=SAYS, expected=11_264, missed=11_000)


def record(**members: Any) -> Record:
    defaults: dict[str, Any] = {
        "at": 1_800_000_000.0,
        "asked": "gpt-5.1-codex",
        "model": "gpt-5.1-codex",
        "effort": "high",
        "tokens": TOKENS,
        "first_token": 0.84,
        "total": 6.12,
    }
    return Record(**defaults | members)


def failed(**members: Any) -> Record:
    return record(**{"outcome": "error", "tokens": None, "first_token": None, **members})


def test_a_successful_call() -> None:
    assert log_line.flow_comment(record()) == "gpt-5.1-codex high · 12.3k in (91% cached) · 480 out · 0.8 s → 6.1 s"
    assert log_line.log_line(record()) == log_line.flow_comment(record())
    assert log_line.flow_marker(record()) == ""


def test_whose_key_it_used() -> None:
    assert log_line.log_line(record(person="alice")).startswith("gpt-5.1-codex high · alice · 12.3k in")
    assert log_line.flow_comment(record(person="alice")) == log_line.log_line(record(person="alice"))


def test_the_address_it_came_from() -> None:
    far = record(person="alice", address="203.0.113.7")
    assert log_line.log_line(far).startswith("gpt-5.1-codex high · alice · 203.0.113.7 · 12.3k in")
    assert log_line.flow_comment(far) == log_line.log_line(far)


def test_a_client_that_does_not_stream_has_one_time() -> None:
    assert log_line.flow_comment(record(first_token=None)).endswith("480 out · 6.1 s")


def test_repairs_that_every_response_needs_are_not_mentioned() -> None:
    assert log_line.flow_comment(record(repaired=("model", "output"))) == log_line.flow_comment(record())
    assert log_line.flow_marker(record(repaired=("model", "output"))) == ""
    repaired = record(repaired=("item_id", "model", "sequence_number"))
    assert log_line.flow_marker(repaired) == log_line.REPAIRED
    assert (
        log_line.flow_comment(repaired) == f"✏ {log_line.flow_comment(record())} · repaired: item_id, sequence_number"
    )


@pytest.mark.parametrize(
    ("call", "marker", "end"),
    [
        (failed(status=500, code="server_error", error="Broken."), log_line.FAILED, "500 server_error: Broken."),
        (
            failed(status=429, code="usage_limit_reached", error="Wait."),
            log_line.LIMITED,
            "429 usage_limit_reached: Wait.",
        ),
        (failed(status=502), log_line.FAILED, "502"),
        (record(outcome="failed", code="server_error", error="Oh."), log_line.FAILED, "failed server_error: Oh."),
        (
            record(outcome="failed", code="rate_limit_exceeded", error="Slow."),
            log_line.LIMITED,
            "failed rate_limit_exceeded: Slow.",
        ),
        (record(outcome="cut", code="stream_cut", error="Broke off."), log_line.FAILED, "cut off: Broke off."),
        (record(outcome="left", status=0), log_line.LEFT, "client left"),
        (record(outcome="incomplete"), log_line.INCOMPLETE, "incomplete"),
    ],
)
def test_a_failure_comes_last_and_has_a_marker(call: Record, marker: str, end: str) -> None:
    assert log_line.flow_marker(call) == marker
    assert log_line.log_line(call).endswith(f" · {end}")
    assert log_line.flow_comment(call) == f"{log_line.MARKERS[marker]} {log_line.log_line(call)}"


def test_a_request_that_was_refused_has_no_model() -> None:
    refused = failed(asked=None, model=None, effort=None, status=400, code="invalid_request_error", error="Not JSON.")
    assert log_line.log_line(refused) == "refused · 6.1 s · 400 invalid_request_error: Not JSON."


def test_a_cache_miss_is_explained_in_the_comment_and_named_in_the_log() -> None:
    missed = record(tokens=Tokens(input=12_345, cached=256, output=480), cache=MISSED)
    assert log_line.flow_comment(missed).endswith(f" · cache: {SAYS}")
    assert "12.3k in (2% cached: new tools)" in log_line.log_line(missed)
    for cause in ("first", "append"):
        fine = record(cache=replace(MISSED, cause=cause))
        assert log_line.flow_comment(fine) == log_line.flow_comment(record())
        assert log_line.log_line(fine) == log_line.log_line(record())


def test_the_log_names_the_model_that_was_requested() -> None:
    assert log_line.log_line(record(asked="gpt-5-codex")).startswith("gpt-5-codex → gpt-5.1-codex high · ")
    for asked in ("openai/gpt-5.1-codex", "gpt-5.1-codex-high", "GPT-5.1-Codex"):
        assert log_line.log_line(record(asked=asked)) == log_line.log_line(record())


def test_a_line_fits_in_100_columns() -> None:
    """Including the time of day that mitmdump puts in front."""
    tokens = Tokens(input=123_456, cached=2_432, output=12_500)
    long = record(model="gpt-5.1-codex-max", asked="gpt-5.1-codex-max", effort="xhigh", tokens=tokens, total=61.0)
    for cause in ("effort", "endpoint", "item", "tools", "idle", "model"):
        missed = replace(long, cache=replace(MISSED, cause=cause))
        assert len(f"[12:34:56.789] {log_line.log_line(missed)}") <= 100


@given(st.text(max_size=2000), st.integers(1, 100))
def test_plain_text_is_one_printable_line(text: str, width: int) -> None:
    line = one_line(text, width)
    assert len(line) <= width
    assert line.isprintable()
    line.encode()
    assert one_line(line, width) == line


@given(st.text(), st.text(), st.text(), st.sampled_from(["error", "failed", "cut", "completed"]))
def test_foreign_text_stays_on_one_line(model: str, message: str, code: str, outcome: str) -> None:
    call = record(asked=model, model=model, error=message, code=code, outcome=outcome, repaired=(message,))
    for text in (log_line.flow_comment(call), log_line.log_line(call)):
        assert text.isprintable()
        assert len(text) < 2000


def test_printable_text_is_kept() -> None:
    assert one_line("größe → 😀\x1b[31m\n evil\ud800") == "größe → 😀 [31m evil"
    assert one_line("a" * 10, 5) == "aaaa…"


def test_refused_attempts_are_described() -> None:
    refused = FailedAttempt(rule="parameter", refused="HTTP 400: No \ninclude.", done="sent again without include")
    call = record(attempts=(refused,))
    assert log_line.flow_marker(call) == log_line.REPAIRED
    assert log_line.flow_comment(call).endswith("· sent again without include (HTTP 400: No include.)")
    assert log_line.log_line(call).endswith("· sent again without include (HTTP 400: No include.)")
