from collections.abc import Callable
from typing import Any

import pytest

from codex_transform.catalog import models
from codex_transform.request import Context

REFUSED = {
    "max_output_tokens": 32000,
    "max_completion_tokens": 1,
    "temperature": 0.5,
    "top_p": None,
    "previous_response_id": "resp_1",
    "truncation": "auto",
    "user": "me",
    "metadata": {"a": "b"},
    "safety_identifier": "s",
    "prompt_cache_retention": "24h",
    "background": False,
}


@pytest.mark.parametrize(
    ("model", "sent", "tier"),
    [
        ("gpt-5.4-fast", {}, "priority"),
        ("gpt-5.4-fast", {"service_tier": None}, "priority"),
        ("gpt-5.4-fast", {"service_tier": "default"}, None),
        ("gpt-5.2-fast", {}, None),
        ("gpt-5.4", {}, None),
    ],
)
def test_a_name_can_ask_for_a_service_tier(
    model: str, sent: dict[str, Any], tier: str | None, run: Callable[..., Any]
) -> None:
    done = run(model=model, **sent)
    assert done.body.get("service_tier") == tier
    assert done.body["model"] == model.removesuffix("-fast")


@pytest.mark.parametrize("model", ["gpt-5.2", "gpt-5.1-codex", "somebody-elses-model"])
def test_what_codex_endpoints_refuse_is_dropped(model: str, run: Callable[..., Any]) -> None:
    assert run(model=model, **REFUSED).body == run(model=model).body


@pytest.mark.parametrize("sent", [{}, {"store": True, "stream": False}, {"store": None, "stream": True}])
def test_store_and_stream_are_fixed(sent: dict[str, Any], run: Callable[..., Any]) -> None:
    body = run(**sent).body
    assert (body["store"], body["stream"]) == (False, True)


@pytest.mark.parametrize(("sent", "streaming"), [({}, False), ({"stream": False}, False), ({"stream": True}, True)])
def test_whether_the_client_streams_is_remembered(
    sent: dict[str, Any], streaming: bool, run: Callable[..., Any]
) -> None:
    assert run(**sent).streaming is streaming


@pytest.mark.parametrize(
    ("sent", "options", "expected"),
    [
        ({}, (), ["reasoning.encrypted_content"]),
        ({"include": []}, (), ["reasoning.encrypted_content"]),
        ({"include": ["a"]}, (), ["a", "reasoning.encrypted_content"]),
        ({"include": ["reasoning.encrypted_content", "a"]}, (), ["reasoning.encrypted_content", "a"]),
        ({"include": ["a", "a"]}, ("b", "a"), ["a", "b", "reasoning.encrypted_content"]),
    ],
)
def test_include_gains_encrypted_reasoning(
    sent: dict[str, Any],
    options: tuple[str, ...],
    expected: list[str],
    run: Callable[..., Any],
    context: Callable[..., Context],
) -> None:
    assert run(context({"include": options}), **sent).body["include"] == expected


@pytest.mark.parametrize("model", models(), ids=lambda model: model.slug)
@pytest.mark.parametrize("tier", ["priority", "flex", "auto", None])
def test_a_service_tier_stays_where_the_catalogue_lists_it(model: Any, tier: Any, run: Callable[..., Any]) -> None:
    done = run(model=model.slug, service_tier=tier)
    assert done.resolved.model is not None
    assert done.body.get("service_tier") == (tier if tier in done.resolved.model.service_tiers else None)
    assert ("service_tier" in done.body) == (tier in done.resolved.model.service_tiers)


def test_an_unknown_model_has_no_service_tier(run: Callable[..., Any]) -> None:
    assert "service_tier" not in run(model="somebody-elses-model", service_tier="priority").body


@pytest.mark.parametrize("kept", ["prompt_cache_key", "tool_choice", "parallel_tool_calls"])
def test_fields_that_the_endpoint_takes_are_kept(kept: str, run: Callable[..., Any]) -> None:
    value = {"parallel_tool_calls": True}.get(kept, "as it was")
    assert run(**{kept: value}).body[kept] == value


def test_compaction_is_not_streamed(run: Callable[..., Any], context: Callable[..., Context]) -> None:
    done = run(context(compact=True), store=True, stream=True, include=["a"], temperature=1)
    assert not done.streaming
    assert not {"store", "stream", "include", "temperature"} & done.body.keys()
    assert done.body["input"] == run().body["input"]
    assert done.body["instructions"]
