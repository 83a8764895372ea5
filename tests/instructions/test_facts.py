"""What a row of a models.json says about its model, and what counts as missing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.raw_host import catalogue, levels

from codex_transform import catalog
from codex_transform.catalog import EFFORTS, Facts
from codex_transform.instructions.facts import read_facts
from codex_transform.instructions.fetch import extract

ROW = {
    "slug": "gpt-7-nova",
    "display_name": "GPT-7-Nova",
    "visibility": "list",
    **levels("low", "medium", "ultra"),
    "default_reasoning_level": "medium",
    "support_verbosity": True,
    "default_verbosity": "low",
    "context_window": 400_000,
    "input_modalities": ["text", "image"],
    "additional_speed_tiers": ["fast"],
    "service_tiers": [{"id": "priority", "name": "Fast", "description": "words"}],
}
FACTS = Facts(
    slug="gpt-7-nova",
    display_name="GPT-7-Nova",
    efforts=("low", "medium", "ultra"),
    default_effort="medium",
    supports_verbosity=True,
    default_verbosity="low",
    context_window=400_000,
    input_modalities=("text", "image"),
    service_tiers=("priority",),
)


def test_a_complete_row() -> None:
    assert read_facts(ROW) == FACTS


def test_facts_come_with_the_texts_even_for_a_model_without_a_text() -> None:
    found = extract(catalogue("a", facts={"b": {**levels("low"), "base_instructions": None}, "C!": {}}))
    assert found.texts == {"a": "instructions of a", "C!": "instructions of C!"}
    assert found.facts == (Facts(slug="a"), Facts(slug="b", efforts=("low",)))


@pytest.mark.parametrize("slug", [None, 7, "", " ", "GPT-7", "gpt_7", "gpt 7", "a/b", "-a", "a\n", "a" * 101, ["a"]])
def test_a_row_without_a_valid_slug_is_left_out(slug: Any) -> None:
    assert read_facts({**ROW, "slug": slug}) is None


@pytest.mark.parametrize(
    ("member", "value", "field", "expected"),
    [
        ("display_name", 7, "display_name", None),
        ("display_name", " ", "display_name", None),
        ("display_name", "a\x1b[31m", "display_name", None),
        ("display_name", "a" * 101, "display_name", None),
        ("supported_reasoning_levels", [], "efforts", None),
        ("supported_reasoning_levels", "high", "efforts", None),
        ("supported_reasoning_levels", ["high", "low"], "efforts", ("low", "high")),
        ("supported_reasoning_levels", [{"effort": "high"}, {"effort": "hyper"}, {}, 7, None], "efforts", ("high",)),
        ("supported_reasoning_levels", [{"effort": ["high"]}, {"effort": "hyper"}], "efforts", None),
        ("default_reasoning_level", "hyper", "default_effort", None),
        ("default_reasoning_level", ["low"], "default_effort", None),
        ("support_verbosity", "yes", "supports_verbosity", None),
        ("support_verbosity", False, "default_verbosity", None),
        ("default_verbosity", "loud", "default_verbosity", None),
        ("context_window", None, "context_window", None),
        ("context_window", 0, "context_window", None),
        ("context_window", True, "context_window", None),
        ("context_window", "1", "context_window", None),
        ("input_modalities", ["smell", "text"], "input_modalities", ("text",)),
        ("input_modalities", ["smell"], "input_modalities", None),
        ("input_modalities", {"text": 1}, "input_modalities", None),
        ("service_tiers", [{"id": "flex"}, {"id": 7}, {"id": "a b"}, 7], "service_tiers", ("flex", "priority")),
        ("service_tiers", None, "service_tiers", ("priority",)),
    ],
)
def test_each_member_is_read_independently(member: str, value: Any, field: str, expected: Any) -> None:
    """What cannot be used counts as missing, and the rest of the row stays."""
    found = read_facts({**ROW, member: value})
    assert found
    assert getattr(found, field) == expected
    missing = read_facts({name: kept for name, kept in ROW.items() if name != member})
    assert missing
    assert missing.slug == found.slug == "gpt-7-nova"


def test_an_empty_list_of_tiers_is_not_a_missing_one() -> None:
    assert read_facts({"slug": "a", "service_tiers": [], "additional_speed_tiers": []}) == Facts(
        slug="a", service_tiers=()
    )
    assert read_facts({"slug": "a"}) == Facts(slug="a")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(EFFORTS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["effort", "id"]) | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(ROW, values)), st.booleans())
def test_whatever_a_row_holds_the_catalogue_stays_valid(row: dict[str, Any], named: bool) -> None:
    row = {**row, "slug": "gpt-5.2"} if named else row
    found = read_facts(json.loads(json.dumps(row)))
    assert found or not named
    before = {model.slug for model in catalog.models()}
    catalog.learn([found] if found else [])
    assert before <= {model.slug for model in catalog.models()}
    for model in catalog.models():
        assert model.default_effort in model.efforts
        assert set(model.efforts) <= set(EFFORTS)
