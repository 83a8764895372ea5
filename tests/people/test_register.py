"""The file of people: who owns a key, which models a person may use, and files that cannot be used."""

import json
import stat
from pathlib import Path

import pytest

from codex_transform.people import register
from codex_transform.people.person import Limits, new_person, with_new_key


def test_only_the_hash_of_a_key_is_stored(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "clients.json"
    alice, key = new_person("alice", Limits(models=("gpt-5.1",), tokens_per_day=5))
    bob, other = new_person("bob@home", Limits())
    assert len(key) > 43
    assert key != other
    register.save(file, [alice, bob])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not {key, other} & set(file.read_text().split('"'))
    loaded = register.load(file)
    assert loaded == register.Register((alice, bob), defined=True)
    assert loaded.find(f"Bearer {key}") == alice
    assert loaded.find(f" bearer   {other} ") == bob
    for wrong in (
        "",
        key,
        f"Basic {key}",
        f"Bearer {key}x",
        f"Bearer {key}, Bearer {other}",
        "Bearer ",
        "Bearer \udce9",
    ):
        assert loaded.find(wrong) is None


def test_a_new_key_replaces_the_old_one() -> None:
    alice, key = new_person("alice", Limits())
    changed, new = with_new_key(alice)
    people = register.Register((changed,), defined=True)
    assert (people.find(f"Bearer {key}"), people.find(f"Bearer {new}")) == (None, changed)
    assert changed.owner == alice.owner
    assert changed.hint == f"ct-…{new[-4:]}"


def test_a_person_added_again_has_another_owner_id() -> None:
    assert new_person("alice", Limits())[0].owner != new_person("alice", Limits())[0].owner


@pytest.mark.parametrize("name", ["", "none", "All", "a b", "-a", "a" * 65, "a\n", "é", "a/b"])
def test_invalid_names(name: str) -> None:
    with pytest.raises(ValueError, match="must be up to 64"):
        new_person(name, Limits())


def test_a_limit_to_a_model_allows_all_its_names() -> None:
    limits = Limits(models=("gpt-5.1-codex", "house-model"))
    for name in ("gpt-5.1-codex", "openai/GPT 5.1 Codex High", "gpt-5-codex", "house-model"):
        assert limits.allows(name)
    for other in ("gpt-5.1", "house-model-2", None, 5):
        assert not limits.allows(other)
    assert Limits().allows("anything")


def test_without_a_file_no_keys_are_required(tmp_path: Path) -> None:
    assert register.load(tmp_path / "clients.json") == register.Register()


def test_a_file_without_people_lets_nobody_in(tmp_path: Path) -> None:
    register.save(tmp_path / "clients.json", [])
    assert register.load(tmp_path / "clients.json") == register.Register(defined=True)


PERSON = {"name": "a", "id": "0" * 32, "keySHA256": "0" * 64, "created": "2026-11-28"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "line 1"),
        ("[]", "object in braces, not a list"),
        ("{}", "clients"),
        ({"clients": [PERSON], "more": 1}, "more"),
        ({"clients": [{**PERSON, "tokensPerDya": 5}]}, "clients.0.tokensPerDya"),
        ({"clients": [{**PERSON, "tokensPerDay": 0}]}, "clients.0.tokensPerDay"),
        ({"clients": [{**PERSON, "keySHA256": "secret"}]}, "clients.0.keySHA256"),
        ({"clients": [{**PERSON, "name": "none"}]}, "clients.0.name"),
        ({"clients": [PERSON, {**PERSON, "name": "A"}]}, "two of its `clients` have the name a: "),
    ],
)
def test_an_unusable_file_lets_nobody_in(tmp_path: Path, content: object, problem: str) -> None:
    file = tmp_path / "clients.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    found = register.load(file)
    assert (found.people, found.defined) == ((), True)
    assert found.problem is not None
    assert str(file) in found.problem
    assert problem in found.problem
    assert "secret" not in found.problem


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    found = register.load(tmp_path)
    assert found.defined
    assert found.problem
