"""`models`: the whole catalogue, and what one name is resolved to."""

import json

import pytest
from support.commands import Person
from support.raw_host import NEW_PATH, Answer, catalogue, levels, raw_host

from codex_transform import catalog, paths
from codex_transform.instructions.store import InstructionStore


def test_every_model_is_listed_with_its_efforts(person: Person) -> None:
    head, *lines = person.call("models").stdout.splitlines()
    assert head.split() == ["model", "efforts", "context", "also", "known", "as"]
    listed = {line.split()[0]: line for line in lines}
    assert list(listed) == [model.slug for model in catalog.models() if model.slug not in catalog.aliases()]
    for model in catalog.models():
        if model.slug in listed:
            efforts = [f"[{each}]" if each == model.default_effort else each for each in model.efforts]
            assert " ".join(efforts) in listed[model.slug]
    for alias, slug in catalog.aliases().items():
        assert alias in listed[slug]


def test_json_lists_every_model_with_its_aliases(person: Person) -> None:
    listed = json.loads(person.call("models", "--json").stdout)
    assert [each["slug"] for each in listed] == [model.slug for model in catalog.models()]
    aliases = {each["slug"]: each["aliases"] for each in listed}
    assert "gpt-5-codex" in aliases["gpt-5.1-codex"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gpt-5-codex-high", "sent as gpt-5.1-codex with effort high; its efforts are low medium high"),
        ("GPT 5.1 Codex xhigh", "sent as gpt-5.1-codex with effort high"),
        ("openai/gpt-5.2", "sent as gpt-5.2 with effort medium"),
        ("gpt-5.4-fast", "sent as gpt-5.4 with effort medium and service tier priority; its efforts are low"),
        ("gpt-5.2-2025-12-11-high", "sent as gpt-5.2 with effort high"),
        ("another-model-high", "not in the catalogue; sent unchanged"),
    ],
)
def test_a_name_is_resolved_to_model_effort_and_service_tier(name: str, says: str, person: Person) -> None:
    assert person.call("models", name).stdout.startswith(f"{name}: {says}")


def test_a_name_is_resolved_as_json(person: Person) -> None:
    said = json.loads(person.call("models", "gpt-5-codex-high", "--json").stdout)
    assert said == {
        "asked": "gpt-5-codex-high",
        "sent": "gpt-5.1-codex",
        "effort": "high",
        "service_tier": None,
        "known": True,
    }


@pytest.fixture
def taught(person: Person, monkeypatch: pytest.MonkeyPatch) -> Person:
    """A person whose proxy has fetched a list with a new model."""
    monkeypatch.setenv("no_proxy", "*")
    facts = {"gpt-7-nova": {"display_name": "GPT-7-Nova", **levels("low", "max"), "default_reasoning_level": "low"}}
    with raw_host() as host:
        host.answers[f"main/{NEW_PATH}"] = Answer(catalogue(facts=facts))
        InstructionStore(paths.cache_folder(person.home), host.root).refresh()
        person.variables["CODEX_CATALOG_URL"] = host.root
    return person


def test_models_that_a_proxy_has_fetched_are_listed(taught: Person) -> None:
    last = taught.run("models").stdout.splitlines()[-1]
    assert last.split() == ["gpt-7-nova", "[low]", "max", "272k"]
    assert json.loads(taught.run("models", "--json").stdout)[-1]["release"] == "main"
    assert "with effort max; its efforts are low max" in taught.run("models", "GPT 7 Nova Max").stdout
    elsewhere = taught.run("models", CODEX_CATALOG_URL="http://127.0.0.1:9/none").stdout
    assert "gpt-7-nova" not in elsewhere


def test_a_damaged_cache_is_ignored_and_left_unchanged(taught: Person) -> None:
    (file,) = paths.cache_folder(taught.home).glob("codex-transform-main-*.json")
    file.write_bytes(b"{")
    done = taught.run("models")
    assert (done.returncode, done.stderr) == (0, "")
    assert "gpt-7-nova" not in done.stdout
    assert file.read_bytes() == b"{"


def test_config_writes_models_that_a_proxy_has_fetched(taught: Person) -> None:
    done = taught.run("config", "--print", "--models", "gpt-7-nova")
    entry = json.loads(done.stdout)["provider"]["openai"]["models"]["gpt-7-nova"]
    assert (entry["name"], list(entry["variants"])) == ("GPT-7-Nova", ["low", "max"])
