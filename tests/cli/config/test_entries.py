"""What `codex-transform config` writes for the models, into files of every kind."""

import json

import pytest
from cli.config.files import COMMENTED, backups, models, opencode_json
from support.commands import Person

from codex_transform.jsonc import parser
from codex_transform.opencode import provider_models


def test_an_empty_home_gets_a_file_with_all_models(person: Person) -> None:
    file = opencode_json(person)
    done = person.call("config", "--yes")
    assert done.returncode == 0, done.stderr
    assert models(file) == provider_models.entries(provider_models.select_models())
    assert f"Wrote {file}." in done.stdout
    assert "Try: codex-transform run opencode run -m openai/" in done.stdout
    assert "\x1b" not in done.stdout
    assert not backups(file)


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", "{}", "{}\n"])
def test_an_empty_file_gets_all_models(text: str, person: Person) -> None:
    file = opencode_json(person, text)
    assert person.call("config", "--yes", "--models", "gpt-5.2").returncode == 0
    assert list(models(file)) == ["gpt-5.2"]


def test_legacy_writes_one_entry_per_effort(person: Person) -> None:
    file = opencode_json(person)
    done = person.call("config", "--yes", "--legacy", "--models", "gpt-5.1-codex-mini, gpt-5.2-codex")
    assert done.returncode == 0, done.stderr
    names = [f"gpt-5.2-codex-{effort}" for effort in ("low", "medium", "high", "xhigh")]
    assert list(models(file)) == [*names, "gpt-5.1-codex-mini-medium", "gpt-5.1-codex-mini-high"]


def test_a_commented_file_keeps_every_line_and_the_users_values(person: Person) -> None:
    file = opencode_json(person, COMMENTED, "opencode.jsonc")
    done = person.call("config", "--yes")
    assert done.returncode == 0, done.stderr
    after = file.read_text()
    rest = iter(after)
    assert all(character in rest for character in COMMENTED)
    assert "// My settings. Do not touch." in after
    assert "}, // untouched" in after
    assert models(file)["gpt-5.2"]["options"]["reasoningEffort"] == "high"
    assert models(file)["gpt-5.2"]["options"]["textVerbosity"] == "low"
    assert 'models.gpt-5.2.options.reasoningEffort: "high", not "medium"' in done.stdout
    assert 'models.gpt-5.2.name: "Mine", not "GPT-5.2"' in done.stdout
    (backup,) = backups(file)
    assert backup.read_text() == COMMENTED
    assert str(backup) in done.stdout


@pytest.mark.parametrize("form", ["--modern", "--legacy"])
@pytest.mark.parametrize("text", ["{}", COMMENTED, json.dumps(parser.parse(COMMENTED))])
def test_a_second_run_changes_nothing(text: str, form: str, person: Person) -> None:
    file = opencode_json(person, text)
    assert person.call("config", "--yes", form).returncode == 0
    first = file.read_bytes()
    done = person.call("config", "--yes", form)
    assert done.returncode == 0
    assert "nothing to do" in done.stdout
    assert file.read_bytes() == first
    assert len(backups(file)) == 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('{\n  "theme": "dark",\n  "provider": {{}\n}\n', "line 3, column"),
        ("[]", "must hold an object in braces, not a list"),
        ('{"provider": {"openai": []}}', "provider.openai must be an object in braces, not a list"),
        (b'{"theme": "\xff"}', "is not UTF-8 text"),
    ],
)
@pytest.mark.parametrize("arguments", [[], ["--uninstall"], ["--reverse", "http://127.0.0.1:8080/v1"]])
def test_a_damaged_file_is_named_and_left_unchanged(
    arguments: list[str], text: str | bytes, named: str, person: Person
) -> None:
    file = opencode_json(person, text)
    before = file.read_bytes()
    done = person.call("config", "--yes", *arguments)
    if arguments == ["--uninstall"] and "provider.openai" in named:
        assert done.returncode == 0  # nothing in it is ours
    else:
        assert done.returncode == 1
        assert str(file) in done.stderr
        assert named in done.stderr
    assert file.read_bytes() == before
    assert not backups(file)


def test_for_an_unknown_model_similar_names_are_suggested(person: Person) -> None:
    done = person.call("config", "--yes", "--models", "gpt-5.2,gpt-5.3-codx")
    assert done.returncode == 2
    assert "gpt-5.3-codex" in done.stderr
    assert not opencode_json(person).exists()


@pytest.mark.parametrize("names", ["", ",", " , "])
def test_an_empty_list_of_models_is_refused(names: str, person: Person) -> None:
    done = person.run("config", "--yes", "--models", names)
    assert done.returncode == 2
    assert "there is no name in it" in done.stderr
    assert not (person.home / ".config").exists()
