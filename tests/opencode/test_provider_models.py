import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform import catalog
from codex_transform.jsonc import parser
from codex_transform.jsonc.editor import Document, render
from codex_transform.opencode.provider_models import additions, conflicts, entries, removable, select_models, wrap

EVERYTHING = select_models()
MODERN = entries(EVERYTHING)
LEGACY = entries(EVERYTHING, legacy=True)


def test_all_models_that_resolve_to_themselves_are_selected() -> None:
    assert {model.slug for model in EVERYTHING} == {catalog.resolve(model.slug).slug for model in catalog.models()}


@pytest.mark.parametrize(
    ("names", "slugs"),
    [
        (["gpt-5.2"], ["gpt-5.2"]),
        (["gpt-5.2", "gpt-5.3-codex", "gpt-5.2"], ["gpt-5.3-codex", "gpt-5.2"]),  # in the catalogue's order
        (["openai/GPT 5.2 Codex", "gpt-5.1-codex-high"], ["gpt-5.2-codex", "gpt-5.1-codex"]),
        (["gpt-5-codex"], ["gpt-5.1-codex"]),
    ],
)
def test_models_are_selected_by_any_of_their_names(names: list[str], slugs: list[str]) -> None:
    assert [model.slug for model in select_models(names)] == slugs


def test_an_unknown_name_is_refused_with_suggestions() -> None:
    with pytest.raises(ValueError, match=r"there is no model 'gtp-5\.3-codx' .* did you mean gpt-5\.3-codex"):
        select_models(["gpt-5.2", "gtp-5.3-codx"])
    with pytest.raises(ValueError, match="codex-transform models"):
        select_models(["zzzzzzzz"])


def test_a_modern_entry_has_a_variant_for_each_effort() -> None:
    for model in EVERYTHING:
        entry = MODERN[model.slug]
        assert [variant["reasoningEffort"] for variant in entry["variants"].values()] == list(model.efforts)
        assert list(entry["variants"]) == list(model.efforts)
        assert entry["options"]["reasoningEffort"] == model.default_effort


def test_a_legacy_entry_has_the_effort_that_its_name_ends_in() -> None:
    assert len(LEGACY) == sum(len(model.efforts) for model in EVERYTHING)
    for name, entry in LEGACY.items():
        found = catalog.resolve(name)
        assert found.effort == entry["options"]["reasoningEffort"]
        assert name == f"{found.slug}-{found.effort}"
        assert "variants" not in entry


@pytest.mark.parametrize("members", [MODERN, LEGACY])
def test_the_members_of_every_entry(members: dict[str, Any]) -> None:
    for name, entry in members.items():
        model = catalog.resolve(name).model
        assert model is not None
        assert entry["name"].startswith(model.display_name)
        # With only one of these two, OpenCode would not start.
        assert 0 < entry["limit"]["output"] < entry["limit"]["context"] == model.context_window
        assert entry["modalities"] == {"input": list(model.input_modalities), "output": ["text"]}
        options = entry["options"]
        assert (options["include"], options["store"]) == (["reasoning.encrypted_content"], False)
        assert options["reasoningSummary"] == "auto"
        assert ("textVerbosity" in options) == model.supports_verbosity


def test_no_entry_is_modern_and_legacy() -> None:
    assert not MODERN.keys() & LEGACY.keys()


def test_no_entry_has_an_api_key() -> None:
    assert "apikey" not in json.dumps([MODERN, LEGACY]).lower()


def merged(theirs: dict[str, Any], members: dict[str, Any]) -> str:
    document = Document(json.dumps(theirs, indent=2))
    return document.merge_missing(additions(document.value, members))


def test_the_users_values_stay_and_missing_ones_are_added() -> None:
    theirs = {"gpt-5.2": {"name": "Mine", "options": {"reasoningEffort": "high"}, "variants": {"high": {"a": 1}}}}
    after = parser.parse(merged(wrap(theirs), entries(select_models(["gpt-5.2"]))))
    entry = after["provider"]["openai"]["models"]["gpt-5.2"]
    assert entry["name"] == "Mine"
    assert entry["options"] == MODERN["gpt-5.2"]["options"] | {"reasoningEffort": "high"}
    assert entry["variants"]["high"] == {"a": 1, "reasoningEffort": "high"}
    assert entry["limit"] == MODERN["gpt-5.2"]["limit"]


def test_limits_and_modalities_of_the_user_are_not_completed() -> None:
    theirs = {"gpt-5.2": {"limit": {"context": 100000, "output": 128000}, "modalities": {"input": ["text"]}}}
    entry = parser.parse(merged(wrap(theirs), MODERN))["provider"]["openai"]["models"]["gpt-5.2"]
    assert entry["limit"] == theirs["gpt-5.2"]["limit"]
    assert entry["modalities"] == theirs["gpt-5.2"]["modalities"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"provider": []}, "provider must be an object in braces, not a list"),
        ({"provider": {"openai": None}}, "provider.openai must be an object in braces, not null"),
        ({"provider": {"openai": {"models": "x"}}}, "provider.openai.models must be an object in braces, not a string"),
    ],
)
def test_a_value_that_is_no_object_is_described(value: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        additions(value, MODERN)


def test_conflicts_are_values_that_both_set_differently() -> None:
    ours = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert list(conflicts({"a": {"b": 2, "x": 1}, "d": 2}, ours)) == [(("a", "b"), 2, 1)]
    assert list(conflicts({"a": None}, ours)) == [(("a",), None, ours["a"])]


USERS = st.fixed_dictionaries(
    {},
    optional={
        "model": st.just("openai/gpt-5.2"),
        "provider": st.fixed_dictionaries(
            {},
            optional={
                "other": st.just({"options": {}}),
                "openai": st.fixed_dictionaries(
                    {},
                    optional={
                        "options": st.just({"timeout": 1}),
                        "models": st.dictionaries(
                            st.sampled_from(["mine", "gpt-5.2", "gpt-5.2-high"]),
                            st.fixed_dictionaries(
                                {"family": st.just("x")},
                                optional={
                                    "options": st.just({"reasoningEffort": "mine"}),
                                    "limit": st.just({"context": 1, "output": 128_000}),
                                },
                            ),
                        ),
                    },
                ),
            },
        ),
    },
)


@given(USERS, st.sampled_from(["gpt-5.2", "gpt-5.1"]), st.booleans())
def test_exactly_the_added_members_are_removable(theirs: dict[str, Any], name: str, legacy: bool) -> None:
    """Apart from empty objects: one of the user's is removed together with what was added to it."""
    ours = entries(select_models([name]), legacy=legacy)
    document = Document(merged(theirs, ours))
    after = parser.parse(document.remove(removable(document, wrap(ours))))
    assert without_empty(after) == without_empty(theirs)


def without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inside = {name: without_empty(each) for name, each in value.items()}
    return {name: each for name, each in inside.items() if each != {}}


def test_a_changed_value_and_its_comment_are_not_removable() -> None:
    text = render(wrap(entries(select_models(["gpt-5.2"]))))
    changed = text.replace('"reasoningEffort": "medium",', '"reasoningEffort": "high", // harder')
    document = Document(changed)
    after = document.remove(removable(document, wrap(MODERN)))
    assert parser.parse(after) == wrap({"gpt-5.2": {"options": {"reasoningEffort": "high"}}})
    assert "// harder" in after
