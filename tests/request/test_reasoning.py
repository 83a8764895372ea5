from collections.abc import Callable
from typing import Any

import pytest

from codex_transform.catalog import EFFORTS
from codex_transform.errors import ApiError
from codex_transform.request import Context

# What each model turns none, minimal, low, medium, high, xhigh, max and ultra into.
L, M, H, X = "low", "medium", "high", "xhigh"
CLAMPED = {
    "gpt-5.2": ("none", L, L, M, H, X, X, X),
    "gpt-5.1": ("none", L, L, M, H, H, H, H),
    "gpt-5.2-codex": (L, L, L, M, H, X, X, X),
    "gpt-5.1-codex-max": (L, L, L, M, H, X, X, X),
    "gpt-5.1-codex": (L, L, L, M, H, H, H, H),
    "gpt-5.1-codex-mini": (M, M, M, M, H, H, H, H),
    "gpt-5.3-codex": (L, L, L, M, H, X, X, X),
    "gpt-5.4": (L, L, L, M, H, X, X, X),
    "gpt-5.5": (L, L, L, M, H, X, X, X),
    "gpt-5.6-sol": (L, L, L, M, H, X, "max", "ultra"),
    "gpt-5.6-luna": (L, L, L, M, H, X, "max", "max"),
    "gpt-6-sol": (L, L, L, M, H, X, "max", "ultra"),
    "gpt-6-luna": (L, L, L, M, H, X, "max", "max"),
    "gpt-6.1-sol": (L, L, L, M, H, X, "max", "ultra"),
}
TABLE = [(model, asked, sent) for model, row in CLAMPED.items() for asked, sent in zip(EFFORTS, row, strict=True)]


@pytest.mark.parametrize(("model", "asked", "sent"), TABLE)
def test_every_effort_on_every_model(model: str, asked: str, sent: str, run: Callable[..., Any]) -> None:
    by_field = run(model=model, reasoning={"effort": asked})
    assert by_field.body["reasoning"]["effort"] == by_field.effort == sent
    assert by_field.body["model"] == model


@pytest.mark.parametrize(("model", "asked", "sent"), TABLE)
def test_every_effort_as_a_suffix(model: str, asked: str, sent: str, run: Callable[..., Any]) -> None:
    if (model, asked) == ("gpt-5.1-codex", "max"):
        model, sent = "gpt-5.1-codex-max", "medium"  # a model's name wins over an effort suffix
        done = run(model=model)
    else:
        done = run(model=f"openai/{model}-{asked}")
    assert (done.body["model"], done.body["reasoning"]["effort"]) == (model, sent)


@pytest.mark.parametrize(
    ("name", "slug", "effort"),
    [
        ("gpt-5-codex", "gpt-5.1-codex", "medium"),
        ("openai/gpt-5-codex-high", "gpt-5.1-codex", "high"),
        ("GPT 5.1 Codex Low", "gpt-5.1-codex", "low"),
        ("codex-mini-latest", "gpt-5.1-codex-mini", "medium"),
        ("gpt-5-codex-mini", "gpt-5.1-codex-mini", "medium"),
        ("gpt-5", "gpt-5.1", "medium"),
        ("gpt-5-mini", "gpt-5.1", "medium"),
        ("gpt-5-nano-minimal", "gpt-5.1", "low"),
        ("gpt-5.1-chat-latest", "gpt-5.1", "medium"),
        ("gpt-5.4-nano-none", "gpt-5.4-mini", "low"),
        ("gpt-5.6-sol", "gpt-5.6-sol", "low"),
    ],
)
def test_aliases_and_default_efforts(name: str, slug: str, effort: str, run: Callable[..., Any]) -> None:
    done = run(model=name)
    assert (done.resolved.asked, done.body["model"], done.effort) == (name, slug, effort)


@pytest.mark.parametrize(
    ("suffix", "sent", "option", "effort"),
    [
        ("-low", "high", "xhigh", "high"),
        ("-low", None, "xhigh", "low"),
        ("", "high", "xhigh", "high"),
        ("", None, "xhigh", "xhigh"),
        ("", None, "minimal", "low"),
        ("", None, None, "medium"),
    ],
)
def test_the_nearest_source_of_the_effort_wins(
    suffix: str,
    sent: str | None,
    option: str | None,
    effort: str,
    run: Callable[..., Any],
    context: Callable[..., Context],
) -> None:
    done = run(context({"effort": option}), model=f"gpt-5.2{suffix}", reasoning={"effort": sent})
    assert done.body["reasoning"]["effort"] == effort


@pytest.mark.parametrize("mistake", ["extreme", "HIGH", "Medium ", "low,high"])
def test_an_effort_that_does_not_exist_is_refused_with_the_levels(mistake: str, run: Callable[..., Any]) -> None:
    with pytest.raises(ApiError, match=r"gpt-5\.1-codex takes low, medium, high") as caught:
        run(model="gpt-5.1-codex", reasoning={"effort": mistake})
    assert repr(mistake) in caught.value.message


def test_a_mistake_in_opencodes_configuration_is_blamed_on_it(
    run: Callable[..., Any], context: Callable[..., Context]
) -> None:
    with pytest.raises(ApiError, match="OpenCode's configuration"):
        run(context({"effort": "extreme"}))


@pytest.mark.parametrize(
    ("sent", "option", "summary"),
    [
        (None, None, "auto"),
        (None, "detailed", "detailed"),
        ("concise", "detailed", "concise"),
        ("auto", "none", "auto"),
        (None, "on", "auto"),
        (None, "none", None),
        (None, "off", None),
        ("none", "detailed", None),
    ],
)
def test_the_summary(
    sent: str | None,
    option: str | None,
    summary: str | None,
    run: Callable[..., Any],
    context: Callable[..., Context],
) -> None:
    reasoning = run(context({"summary": option}), reasoning={"summary": sent}).body["reasoning"]
    assert reasoning.get("summary") == summary
    assert ("summary" in reasoning) == (summary is not None)


def test_a_request_already_translated_gains_no_summary(run: Callable[..., Any], instructions: str) -> None:
    done = run(instructions=instructions, reasoning={"effort": "low"})
    assert done.body["reasoning"] == {"effort": "low"}


def test_other_members_of_reasoning_stay(run: Callable[..., Any]) -> None:
    reasoning = run(reasoning={"effort": "high", "context": {"a": 1}}).body["reasoning"]
    assert reasoning == {"effort": "high", "context": {"a": 1}, "summary": "auto"}


@pytest.mark.parametrize(
    ("model", "sent", "option", "text"),
    [
        ("gpt-5.2", None, None, {"verbosity": "low"}),
        ("gpt-5.4-mini", None, None, {"verbosity": "medium"}),
        ("gpt-5.2", None, "high", {"verbosity": "high"}),
        ("gpt-5.2", {"verbosity": "medium"}, "high", {"verbosity": "medium"}),
        ("gpt-5.2", {"format": {"type": "text"}}, None, {"format": {"type": "text"}, "verbosity": "low"}),
        ("gpt-5.2-codex", None, "high", None),
        ("gpt-5.2-codex", {"verbosity": "low"}, None, None),
        ("gpt-5.1-codex-max", {}, None, None),
        ("gpt-5.1-codex", {"verbosity": "low", "format": {"type": "text"}}, None, {"format": {"type": "text"}}),
        ("unheard-of", None, None, None),
        ("unheard-of", None, "high", {"verbosity": "high"}),
        ("unheard-of", {"verbosity": "low"}, "high", {"verbosity": "low"}),
    ],
)
def test_verbosity(
    model: str,
    sent: Any,
    option: str | None,
    text: Any,
    run: Callable[..., Any],
    context: Callable[..., Context],
) -> None:
    body = run(context({"verbosity": option}), model=model, text=sent).body
    assert body.get("text") == text
    assert ("text" in body) == (text is not None)


@pytest.mark.parametrize("name", ["gpt-99", "openai/gpt-99-high", "Claude Something", "gpt-4.1", "o3"])
def test_an_unknown_model_is_left_alone(name: str, run: Callable[..., Any]) -> None:
    done = run(model=name)
    assert done.body["model"] == name
    assert done.resolved.model is None
    assert done.effort is None
    assert not {"reasoning", "text"} & done.body.keys()


def test_an_unknown_model_gets_request_and_options_unclamped(
    run: Callable[..., Any], context: Callable[..., Context]
) -> None:
    options = {"effort": "gigantic", "summary": "poetic"}
    assert run(context(options), model="gpt-99").body["reasoning"] == options
    done = run(context(options), model="gpt-99", reasoning={"effort": "tiny"})
    assert done.body["reasoning"] == {"effort": "tiny", "summary": "poetic"}
    assert done.effort == "tiny"
