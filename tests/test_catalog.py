"""The catalogue: every model and alias, how names are resolved, and how efforts are clamped."""

from typing import get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from codex_transform.catalog import EFFORTS, MAIN, Facts, Model, Resolved, aliases, clamp, learn, models, resolve
from codex_transform.instructions.facts import read_facts

BY_SLUG = {model.slug: model for model in models()}
KNOWN = sorted(set(BY_SLUG) | set(aliases()))

ALIASES = {
    "gpt-5-codex": "gpt-5.1-codex",
    "gpt-5-codex-mini": "gpt-5.1-codex-mini",
    "codex-mini-latest": "gpt-5.1-codex-mini",
    "gpt-5": "gpt-5.1",
    "gpt-5-mini": "gpt-5.1",
    "gpt-5-nano": "gpt-5.1",
    "gpt-5.1-chat-latest": "gpt-5.1",
    "gpt-5.3-chat-latest": "gpt-5.3-codex",
    "gpt-5.4-nano": "gpt-5.4-mini",
    "gpt-5.6": "gpt-5.6-sol",
    "gpt-6.2": "gpt-6.2-sol",
}

# What each effort is clamped to, in the order of EFFORTS: none, minimal, low, medium, high, xhigh, max, ultra.
TO_HIGH = ["low", "low", "low", "medium", "high", "high", "high", "high"]
TO_XHIGH = ["low", "low", "low", "medium", "high", "xhigh", "xhigh", "xhigh"]
TO_MAX = ["low", "low", "low", "medium", "high", "xhigh", "max", "max"]
TO_ULTRA = ["low", "low", "low", "medium", "high", "xhigh", "max", "ultra"]
CLAMPED = {
    "gpt-5": ["minimal", "minimal", "low", "medium", "high", "high", "high", "high"],
    "gpt-5-codex": TO_HIGH,
    "gpt-5-codex-mini": ["medium", "medium", "medium", "medium", "high", "high", "high", "high"],
    "gpt-5.1": ["none", "low", "low", "medium", "high", "high", "high", "high"],
    "gpt-5.1-codex": TO_HIGH,
    "gpt-5.1-codex-max": TO_XHIGH,
    "gpt-5.1-codex-mini": ["medium", "medium", "medium", "medium", "high", "high", "high", "high"],
    "gpt-5.2": ["none", "low", "low", "medium", "high", "xhigh", "xhigh", "xhigh"],
    "gpt-5.2-codex": TO_XHIGH,
    "gpt-5.3-codex": TO_XHIGH,
    "gpt-5.4": TO_XHIGH,
    "gpt-5.4-mini": TO_XHIGH,
    "gpt-5.5": TO_XHIGH,
    "gpt-5.6-sol": TO_ULTRA,
    "gpt-5.6-terra": TO_ULTRA,
    "gpt-5.6-luna": TO_MAX,
    "gpt-6-astra": TO_ULTRA,
    "gpt-6-sol": TO_ULTRA,
    "gpt-6-luna": TO_MAX,
    "gpt-6.1-sol": TO_ULTRA,
    "gpt-6.1-terra": TO_ULTRA,
    "gpt-6.2-sol": TO_ULTRA,
    "gpt-6.2-astra": TO_ULTRA,
    "gpt-daybreak-blue-latest": TO_ULTRA,
    "gpt-daybreak-red-latest": TO_ULTRA,
    "codex-auto-review": TO_MAX,
    "gpt-oss-120b": TO_HIGH,
    "gpt-oss-20b": TO_HIGH,
}

UNKNOWN = [
    "",
    "/",
    " ",
    "gpt-4.1",
    "gpt-6.9",
    "openai/gpt-6.9",
    "gpt-6.9-high",
    "openai/gpt-6.9-high",
    "GPT 6.9 High",
    "gpt-4.1-pro",
    "gpt-4.1-2025-04-14",
    "gpt-5.3",
    "gpt-5.3-codex-spark",
    "gpt-5.2-2025-12",
    "gpt-5.2-2025-12-11-2025-12-11",
    "gpt-5.2-20251211",
    "gpt-5.2-pro-pro",
    "gpt-5.2-fast-fast",
    "gpt-5.2-latest",
    "gpt-5.2-chat",
    "2025-12-11",
    "pro",
    "gpt-5.1-codex-high-low",
    "gpt-5.1-codex-turbo",
    "gpt-5.1-codexhigh",
    "xgpt-5.1",
    "high",
    "-high",
    "openai/",
    "claude/high",
    "Модель High",
    "gpt-5.1" + " " * 200,
]


def test_every_model_and_alias_is_known() -> None:
    assert set(BY_SLUG) == set(CLAMPED)
    assert dict(aliases()) == ALIASES


@pytest.mark.parametrize("slug", sorted(CLAMPED))
def test_every_effort_is_clamped_as_in_the_table(slug: str) -> None:
    assert [clamp(effort, BY_SLUG[slug]) for effort in EFFORTS] == CLAMPED[slug]


@pytest.mark.parametrize("model", models(), ids=lambda model: model.slug)
def test_each_entry_is_consistent(model: Model) -> None:
    assert list(model.efforts) == sorted(set(model.efforts), key=EFFORTS.index)
    assert model.default_effort in model.efforts
    assert model.default_verbosity in {None, "low", "medium", "high"}
    assert model.supports_verbosity or model.default_verbosity is None
    assert model.current == (model.release == "rust-v0.171.0")


def test_facts_that_other_modules_depend_on() -> None:
    # From the Codex CLI's catalogue: of 0.120.0 for the first two, of 0.171.0 for the third.
    max_, mini, sol = (BY_SLUG[slug] for slug in ("gpt-5.1-codex-max", "gpt-5.1-codex-mini", "gpt-6.1-sol"))
    assert (max_.supports_verbosity, max_.release) == (False, "rust-v0.120.0")
    assert mini.default_effort == "medium"
    assert (sol.default_effort, sol.default_verbosity) == ("low", "low")
    assert BY_SLUG["gpt-5.4-mini"].default_verbosity == "medium"
    assert BY_SLUG["gpt-6.1-terra"].context_window == 500_000
    assert BY_SLUG["gpt-oss-20b"].input_modalities == ("text",)
    assert {model.slug for model in models() if model.service_tiers} == {
        "codex-auto-review",
        "gpt-5.4",
        "gpt-5.5",
        "gpt-5.6-luna",
        "gpt-5.6-sol",
        "gpt-5.6-terra",
        "gpt-6-astra",
        "gpt-6-luna",
        "gpt-6-sol",
        "gpt-6.1-sol",
        "gpt-6.1-terra",
        "gpt-6.2-astra",
        "gpt-6.2-sol",
    }


@pytest.mark.parametrize(
    ("name", "slug", "effort"),
    [
        ("gpt-5.1-codex", "gpt-5.1-codex", None),
        ("gpt-5.1-codex-max", "gpt-5.1-codex-max", None),
        ("gpt-5.1-codex-max-high", "gpt-5.1-codex-max", "high"),
        ("gpt-5.1-codex-max-max", "gpt-5.1-codex-max", "max"),
        ("gpt-5.1-codex-high", "gpt-5.1-codex", "high"),
        ("gpt-5.1-codex-mini-high", "gpt-5.1-codex-mini", "high"),
        ("gpt-5.2-none", "gpt-5.2", "none"),
        ("gpt-5-nano-minimal", "gpt-5.1", "minimal"),
        ("gpt-5.6-sol-ultra", "gpt-5.6-sol", "ultra"),
        ("openai/gpt-5.2-codex-high", "gpt-5.2-codex", "high"),
        ("openrouter/openai/gpt-5.2-codex", "gpt-5.2-codex", None),
        ("OpenAI/GPT-5-Codex", "gpt-5.1-codex", None),
        ("GPT 5.1 Codex High", "gpt-5.1-codex", "high"),
        ("  gpt_5.1_codex__max \t XHIGH ", "gpt-5.1-codex-max", "xhigh"),
        ("GPT-6.1 Terra", "gpt-6.1-terra", None),
        ("codex-mini-latest-medium", "gpt-5.1-codex-mini", "medium"),
        ("gpt-5.4-nano", "gpt-5.4-mini", None),
        ("gpt-5-codex-max", "gpt-5.1-codex", "max"),
        ("gpt-5.2-2025-12-11", "gpt-5.2", None),
        ("openai/gpt-5.1-codex-2025-11-13-high", "gpt-5.1-codex", "high"),
        ("gpt-5-codex-2025-09-15", "gpt-5.1-codex", None),
        ("gpt-5.2-chat-latest", "gpt-5.2", None),
        ("gpt-5.3-chat-latest", "gpt-5.3-codex", None),
        ("gpt-5.4-chat-latest-low", "gpt-5.4", "low"),
        ("gpt-5.6", "gpt-5.6-sol", None),
        ("GPT 5.6 High", "gpt-5.6-sol", "high"),
        ("openai/gpt-6.2-ultra", "gpt-6.2-sol", "ultra"),
        ("gpt-5-pro", "gpt-5.1", None),
        ("gpt-5.4-pro", "gpt-5.4", None),
        ("gpt-5.2-pro-2025-12-11-xhigh", "gpt-5.2", "xhigh"),
        ("gpt-5.3-codex-fast", "gpt-5.3-codex", None),
    ],
)
def test_names_are_resolved(name: str, slug: str, effort: str | None) -> None:
    assert resolve(name) == Resolved(name, slug, BY_SLUG[slug], effort)


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_name_is_unchanged(name: str) -> None:
    assert resolve(name) == Resolved(name, name, None, None)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("effort", EFFORTS)
def test_every_known_name_may_end_in_any_effort(name: str, effort: str) -> None:
    plain, suffixed = resolve(name), resolve(f"{name}-{effort}")
    if (longer := f"{name}-{effort}") in BY_SLUG:
        assert suffixed == Resolved(longer, longer, BY_SLUG[longer], None)
    else:
        assert suffixed == Resolved(longer, ALIASES.get(name, name), plain.model, effort)


@given(st.sampled_from(KNOWN), st.sampled_from([None, *EFFORTS]), st.data())
def test_case_spaces_and_prefix_do_not_matter(name: str, effort: str | None, data: st.DataObject) -> None:
    canonical = name if effort is None else f"{name}-{effort}"
    expected = resolve(canonical)
    separators = st.sampled_from(["-", "_", " ", "  ", " - "])
    variant = "".join(
        data.draw(separators) if char == "-" else data.draw(st.sampled_from([char, char.upper()])) for char in canonical
    )
    prefix = data.draw(st.sampled_from(["", "openai/", "OpenAI/", "a/b/"]))
    spelling = f"{prefix}{variant}"
    assert resolve(spelling) == (spelling, *expected[1:])


@given(st.text() | st.sampled_from(KNOWN) | st.sampled_from(UNKNOWN))
@example("gpt-5-codex-high")
def test_resolving_again_changes_nothing(name: str) -> None:
    once = resolve(name)
    again = resolve(once.slug)
    assert (again.slug, again.model, again.effort) == (once.slug, once.model, None)


@given(st.text() | st.sampled_from(KNOWN))
def test_a_name_is_known_or_unchanged(name: str) -> None:
    resolved = resolve(name)
    assert resolved.asked == name
    assert resolved == Resolved(name, name, None, None) or BY_SLUG[resolved.slug] is resolved.model


@given(st.sampled_from(models()), st.sampled_from(EFFORTS) | st.text())
def test_the_clamped_effort_is_one_that_the_model_supports(model: Model, effort: str) -> None:
    clamped = clamp(effort, model)
    assert clamped in model.efforts
    assert clamp(clamped, model) == clamped
    if effort in model.efforts:
        assert clamped == effort
    elif effort not in EFFORTS:
        assert clamped == model.default_effort


def test_clamping_prefers_direction_to_distance() -> None:
    sparse = BY_SLUG["gpt-5.1"]._replace(efforts=("none", "high"))
    assert clamp("minimal", sparse) == "high"
    assert clamp("low", sparse) == "none"
    assert clamp("medium", sparse) == "high"
    gap = sparse._replace(efforts=("low", "max"))
    assert clamp("xhigh", gap) == "low"
    only_top = sparse._replace(efforts=("ultra",))
    assert clamp("xhigh", only_top) == "ultra"


@pytest.mark.parametrize(
    ("name", "slug", "effort", "tier"),
    [
        ("gpt-5.4-fast", "gpt-5.4", None, "priority"),
        ("openai/GPT 5.4 Fast High", "gpt-5.4", "high", "priority"),
        ("gpt-5.6-high-fast", "gpt-5.6-sol", "high", "priority"),
        ("gpt-5.2-fast", "gpt-5.2", None, None),  # it does not have that tier
        ("gpt-5.4", "gpt-5.4", None, None),
    ],
)
def test_fast_requests_a_service_tier_if_the_model_has_it(
    name: str, slug: str, effort: str | None, tier: str | None
) -> None:
    assert resolve(name) == Resolved(name, slug, BY_SLUG[slug], effort, tier)


# Learnt models

NOVA = Facts(slug="gpt-7-nova", efforts=("high", "low"))


@pytest.mark.parametrize("model", models(), ids=lambda model: model.slug)
def test_each_row_of_the_data_file_has_the_right_types(model: Model) -> None:
    for name, kind in get_type_hints(Model).items():
        TypeAdapter(kind).validate_python(getattr(model, name), strict=True)
    assert model.default_effort in model.efforts
    assert read_facts({"slug": model.slug}), "names are looked up in a normal form"


def learnt(*rows: Facts) -> dict[str, Model]:
    learn(rows)
    return {model.slug: model for model in models()}


def test_a_new_model_has_its_own_facts_and_defaults_for_the_rest() -> None:
    assert resolve("gpt-7-nova").model is None
    nova = learnt(NOVA)["gpt-7-nova"]
    assert nova == Model(
        slug="gpt-7-nova",
        display_name="gpt-7-nova",
        efforts=("low", "high"),
        default_effort="low",
        supports_verbosity=False,
        default_verbosity=None,
        context_window=272_000,
        input_modalities=("text", "image"),
        release=MAIN,
        current=True,
    )
    assert models()[-1] == nova
    assert resolve("openai/GPT 7 Nova Max") == Resolved("openai/GPT 7 Nova Max", "gpt-7-nova", nova, "max")
    assert clamp("max", nova) == "high"


def test_a_new_model_without_efforts_is_ignored() -> None:
    assert learnt(Facts(slug="gpt-7-nova", context_window=1)) == BY_SLUG
    assert resolve("gpt-7-nova") == Resolved("gpt-7-nova", "gpt-7-nova", None, None)


def test_facts_that_a_list_lacks_are_kept() -> None:
    before = BY_SLUG["gpt-5.1-codex"]
    now = learnt(Facts(slug="gpt-5.1-codex", context_window=1000))["gpt-5.1-codex"]
    assert now == before._replace(context_window=1000, current=True)
    assert learnt()["gpt-5.1-codex"] == before


def test_the_default_effort_is_always_one_of_the_models_own() -> None:
    assert learnt(Facts(slug="gpt-5.5", efforts=("low", "max")))["gpt-5.5"].default_effort == "low"
    assert learnt(Facts(slug="gpt-5.5", efforts=("max",), default_effort="high"))["gpt-5.5"].default_effort == "max"
    assert learnt(Facts(slug="gpt-5.5", efforts=("max",), default_effort="odd"))["gpt-5.5"].default_effort == "max"


def test_without_verbosity_support_there_is_no_default_verbosity() -> None:
    now = learnt(Facts(slug="gpt-5.5", supports_verbosity=False), Facts(slug="gpt-5.4", supports_verbosity=True))
    assert (now["gpt-5.5"].supports_verbosity, now["gpt-5.5"].default_verbosity) == (False, None)
    assert (now["gpt-5.4"].supports_verbosity, now["gpt-5.4"].default_verbosity) == (True, None)


def test_efforts_from_the_api_reference_are_kept() -> None:
    now = learnt(*(Facts(slug=slug, efforts=("medium", "max")) for slug in ("gpt-5.1", "gpt-5.2", "gpt-5.4")))
    assert now["gpt-5.1"].efforts == now["gpt-5.2"].efforts == ("none", "medium", "max")
    assert now["gpt-5.4"].efforts == ("medium", "max")


def test_a_listed_model_wins_over_an_alias_and_a_suffix() -> None:
    names = ["gpt-5.6", "gpt-5.4-pro", "gpt-5.2-2025-12-11", "gpt-5.4-fast", "gpt-5-codex"]
    now = learnt(*(Facts(slug=name, efforts=("low",)) for name in names))
    for name in names:
        assert resolve(name) == Resolved(name, name, now[name], None)
    assert "gpt-5.6" not in aliases()
    assert resolve("gpt-6.2").slug == "gpt-6.2-sol"
    learn(())
    assert resolve("gpt-5.6").slug == "gpt-5.6-sol"
    assert dict(aliases()) == ALIASES


rows = st.builds(
    Facts,
    slug=st.sampled_from([*KNOWN, "gpt-7", "gpt-7-high", "a-2025-01-01", "high"]),
    display_name=st.none() | st.text(),
    efforts=st.none() | st.lists(st.sampled_from(EFFORTS), min_size=1).map(tuple),
    default_effort=st.none() | st.sampled_from(EFFORTS) | st.text(max_size=3),
    supports_verbosity=st.none() | st.booleans(),
    default_verbosity=st.none() | st.sampled_from(["low", "high"]),
    context_window=st.none() | st.integers(1),
    service_tiers=st.none() | st.just(("priority",)) | st.just(()),
)
suffixes = st.lists(st.sampled_from(["high", "fast", "pro", "2025-01-01", "chat-latest", "odd"]), max_size=4)


@given(st.lists(rows, max_size=5), st.text() | st.sampled_from([*KNOWN, "gpt-7", "high"]), suffixes)
def test_learning_loses_no_model_and_names_resolve_consistently(rows: list[Facts], stem: str, more: list[str]) -> None:
    now = learnt(*rows)
    assert set(now) >= set(BY_SLUG)
    for model in now.values():
        assert model.default_effort in model.efforts
    name = "-".join([stem, *more])
    resolved = resolve(name)
    assert resolved.asked == name
    assert resolved == Resolved(name, name, None, None) or now[resolved.slug] is resolved.model
    assert resolve(resolved.slug).slug == resolved.slug
