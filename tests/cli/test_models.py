"""`models`: the whole catalogue, and what a name means."""

import json

import pytest
from support.commands import Person

from codex_transform import catalog


def test_every_model_is_listed_with_its_efforts(person: Person) -> None:
    head, *lines = person.run("models").stdout.splitlines()
    assert head.split() == ["model", "efforts", "context", "also", "known", "as"]
    listed = {line.split()[0]: line for line in lines}
    assert list(listed) == [model.slug for model in catalog.models() if model.slug not in catalog.aliases()]
    for model in catalog.models():
        if model.slug in listed:
            efforts = [f"[{each}]" if each == model.default_effort else each for each in model.efforts]
            assert " ".join(efforts) in listed[model.slug]
    for alias, slug in catalog.aliases().items():
        assert alias in listed[slug]


def test_json(person: Person) -> None:
    listed = json.loads(person.run("models", "--json").stdout)
    assert [each["slug"] for each in listed] == [model.slug for model in catalog.models()]
    aliases = {each["slug"]: each["aliases"] for each in listed}
    assert "gpt-5-codex" in aliases["gpt-5.1-codex"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpt-5-codex-high", "sent as gpt-5.1-codex with effort high; it has low medium high"),
        ("GPT 5.1 Codex xhigh", "sent as gpt-5.1-codex with effort high"),
        ("openai/gpt-5.2", "sent as gpt-5.2 with effort medium"),
        ("another-model-high", "not in the catalogue; sent as it is"),
    ],
)
def test_what_a_name_means(name: str, says: str, person: Person) -> None:
    assert person.run("models", name).stdout.startswith(f"{name}: {says}")


def test_what_a_name_means_as_json(person: Person) -> None:
    said = json.loads(person.run("models", "gpt-5-codex-high", "--json").stdout)
    assert said == {"asked": "gpt-5-codex-high", "sent": "gpt-5.1-codex", "effort": "high", "known": True}
