"""Metrics of calls: the numbers are right, and labels are bounded and never a client's own text."""

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from codex_transform.usage.metrics import MAX_UNKNOWN, CallMetrics
from codex_transform.usage.record import FailedAttempt, Record, Tokens

HOST = "endpoint.example"


def samples(metrics: CallMetrics) -> dict[tuple[str, ...], float]:
    """The value of each sample, by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def models(metrics: CallMetrics) -> set[str]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {sample.labels["model"] for family in families for sample in family.samples if "model" in sample.labels}


def call(model: str | None = "gpt-5.1-codex", **members: Any) -> Record:
    return Record(at=1.0, model=model, **members)


def test_calls_tokens_and_times_are_counted() -> None:
    metrics = CallMetrics()
    failed = FailedAttempt(rule="items", refused="no", done="left out", edited=True, tokens=Tokens(input=10))
    tokens = Tokens(input=100, cached=60, output=20, reasoning=5)
    metrics.observe(call(tokens=tokens, first_token=0.7, total=3.0, attempts=[failed]), HOST)
    metrics.observe(call(tokens=tokens, outcome="left", total=0.1), HOST)
    families = text_string_to_metric_families(metrics.render().decode())
    found = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }

    def figure(name: str, model: str = "gpt-5.1-codex", endpoint: str = HOST, **more: str) -> float:
        return found[
            f"codex_{name}", frozenset({"model": model, "endpoint": endpoint, "person": "none", **more}.items())
        ]

    assert figure("calls_total", outcome="completed") == figure("calls_total", outcome="left") == 1
    assert figure("attempts_total") == 3
    expected = {"input": 210, "cached": 120, "output": 40, "reasoning": 10}
    assert {name: figure(f"{name}_tokens_total") for name in expected} == expected
    assert figure("first_token_seconds_count") == 1
    assert figure("first_token_seconds_bucket", le="0.5") == 0
    assert figure("first_token_seconds_bucket", le="1.0") == 1
    assert figure("call_seconds_sum") == pytest.approx(3.1)


@pytest.mark.parametrize(("outcome", "status"), [("error", 400), ("left", 0)])
def test_a_request_that_became_no_call_is_not_counted_as_one(outcome: str, status: int) -> None:
    metrics = CallMetrics()
    before = samples(metrics).keys()
    metrics.observe(call(None, outcome=outcome, status=status, total=1.0), None)
    assert samples(metrics).keys() == before


def test_tokens_are_counted_for_each_person() -> None:
    metrics = CallMetrics()
    metrics.observe(call(person="alice", tokens=Tokens(input=5)), HOST)
    metrics.observe(call(tokens=Tokens(input=7)), HOST)
    for name, tokens in (("alice", 5), ("none", 7)):
        labels = f'endpoint="{HOST}",model="gpt-5.1-codex",person="{name}"'
        assert f"codex_input_tokens_total{{{labels}}} {tokens}.0" in metrics.render().decode()


def test_the_proxys_state_is_shown() -> None:
    metrics = CallMetrics()
    metrics.set_state(streams=2, calls=3, draining=True, ready=False)
    found = samples(metrics)
    assert [found[f"codex_{name}",] for name in ("streams_open", "calls_open", "draining", "ready")] == [2, 3, 1, 0]


def test_unknown_models_are_named_once_they_have_answered_up_to_a_limit() -> None:
    metrics = CallMetrics()
    for number in range(3 * MAX_UNKNOWN):
        metrics.observe(call(f"refused-{number}", outcome="error", status=400), HOST)
    assert models(metrics) == {"other"}
    for number in range(3 * MAX_UNKNOWN):
        metrics.observe(call(f"answered-{number}"), HOST)
    assert models(metrics) == {"other", *(f"answered-{number}" for number in range(MAX_UNKNOWN))}
    metrics.observe(call("answered-1", outcome="cut"), HOST)
    assert 'codex_calls_total{endpoint="endpoint.example",model="answered-1",outcome="cut",person="none"} 1.0' in (
        metrics.render().decode()
    )


@pytest.mark.parametrize(
    "text",
    ["sk-proj-0123456789abcdef", "my dear model", "a\nb", "x" * 49, "Model", "möodel", "", "abcdefghij0123456789"],
)
def test_text_that_is_no_model_name_is_no_label(text: str) -> None:
    metrics = CallMetrics()
    metrics.observe(call(text), HOST)
    assert models(metrics) == {"other"}
