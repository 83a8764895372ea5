"""`codex-transform config` with every kind of file, in scripts and at a terminal."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from support.commands import Person

from codex_transform.jsonc import parser
from codex_transform.jsonc.editor import Document
from codex_transform.opencode import provider_models
from codex_transform.opencode.forms import NEW, OLD

pytestmark = pytest.mark.gate

SECRET = "sk-of-another-provider-0123456789"
COMMENTED = f"""\
{{
  // My settings. Do not touch.
  "theme": "dark",
  "provider": {{
    "other": {{"options": {{"apiKey": "{SECRET}"}}}},
    "openai": {{
      "models": {{
        "gpt-5.2": {{
          "name": "Mine", /* mine */
          "options": {{"reasoningEffort": "high"}},
        }},
        "mine": {{}}, // untouched
      }},
    }},
  }},
}}
"""


def opencode_json(person: Person, text: str | bytes | None = None, name: str = "opencode.json") -> Path:
    file = person.home / ".config" / "opencode" / name
    if text is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def models(file: Path) -> dict[str, Any]:
    found = parser.parse(file.read_text("utf-8"))["provider"]["openai"]["models"]
    assert isinstance(found, dict)
    return found


def backups(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"{file.name}.bak-*"))


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


def test_keys_near_a_change_are_not_shown(person: Person) -> None:
    opencode_json(person, json.dumps({"provider": {"openai": {"options": {"apiKey": SECRET}}}}, indent=2))
    done = person.call("config", "--yes")
    assert '"apiKey": "sk-…6789"' in done.stdout
    assert SECRET not in done.stdout + done.stderr


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


def test_without_a_terminal_the_diff_is_shown_and_nothing_written(person: Person) -> None:
    file = opencode_json(person, "{}")
    done = person.call("config")
    assert done.returncode == 1
    assert '+        "gpt-5.3-codex": {' in done.stdout
    assert "--yes" in done.stderr
    assert file.read_text() == "{}"


def test_a_long_diff_is_shortened_and_its_models_are_counted(person: Person) -> None:
    file = opencode_json(person, COMMENTED)
    done = person.call("config", "--yes")
    written = len(parser.parse(file.read_text())["provider"]["openai"]["models"])
    added = written - len(parser.parse(COMMENTED)["provider"]["openai"]["models"])
    assert len(done.stdout.splitlines()) < 80
    assert f"\nAdds {added} models: gpt-5.3-codex, " in done.stdout
    assert re.search(r"\n\+  … [\d,]+ more lines: add --print to see the whole file\n", done.stdout)
    # All lines but the middle of a long run are there.
    assert '+          "options": {"reasoningEffort": "high",' in done.stdout
    removed = person.call("config", "--yes", "--uninstall").stdout
    assert f"\nRemoves {added} models: gpt-5.3-codex, " in removed
    assert len(removed.splitlines()) < 80


def test_a_short_diff_is_complete(person: Person) -> None:
    opencode_json(person, "{}")
    done = person.call("config", "--yes", "--models", "gpt-5.2")
    assert "more lines" not in done.stdout
    assert '+            "xhigh": {"reasoningEffort": "xhigh"}' in done.stdout
    assert "\nAdds 1 model: gpt-5.2.\n" in done.stdout
    again = person.call("config", "--yes", "--models", "gpt-5.2", "--reverse", "http://127.0.0.1:8080/v1")
    assert "Adds" not in again.stdout


def test_print_writes_only_to_stdout(person: Person) -> None:
    file = opencode_json(person, b'\xef\xbb\xbf{\r\n\t"theme": "dark"\r\n}\r\n')
    done = person.call("config", "--print", "--models", "gpt-5.2")
    assert done.returncode == 0
    assert parser.parse(done.stdout)["theme"] == "dark"
    assert list(parser.parse(done.stdout)["provider"]["openai"]["models"]) == ["gpt-5.2"]
    assert file.read_bytes() == b'\xef\xbb\xbf{\r\n\t"theme": "dark"\r\n}\r\n'
    assert not backups(file)


def test_for_an_unknown_model_similar_names_are_suggested(person: Person) -> None:
    done = person.call("config", "--yes", "--models", "gpt-5.2,gpt-5.3-codx")
    assert done.returncode == 2
    assert "gpt-5.3-codex" in done.stderr
    assert not opencode_json(person).exists()


def test_file_and_project_write_to_other_files(person: Person, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    assert person.call("config", "--yes", "--models", "gpt-5.2", "--file", str(other)).returncode == 0
    assert person.call("config", "--yes", "--models", "gpt-5.1", "--project").returncode == 0
    assert list(models(other)) == ["gpt-5.2"]
    assert list(models(person.project / "opencode.json")) == ["gpt-5.1"]
    assert not opencode_json(person).exists()
    assert person.call("config", "--yes", "--project", "--file", str(other)).returncode == 2


def test_reverse_sets_the_address_and_uninstall_removes_only_that_one(person: Person) -> None:
    file = opencode_json(person, COMMENTED)
    done = person.call("config", "--yes", "--reverse", "http://127.0.0.1:8080/v1")
    assert "Try: opencode run -m openai/" in done.stdout  # OpenCode connects to the proxy without `run`
    options = parser.parse(file.read_text())["provider"]["openai"]["options"]
    assert options == {"baseURL": "http://127.0.0.1:8080/v1"}
    assert person.call("config", "--yes", "--reverse", "http://127.0.0.1:9090/v1").returncode == 0
    done = person.call("config", "--yes", "--uninstall")
    assert "provider.openai.options.baseURL (to remove it, name it with --reverse)" in done.stdout
    assert "9090" in file.read_text()
    assert person.call("config", "--yes", "--uninstall", "--reverse", "http://127.0.0.1:9090/v1").returncode == 0
    assert file.read_text() == COMMENTED


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "http://127.0.0.1:8080", "http:///v1", "http://[/v1", "ftp://h/v1"])
def test_an_invalid_address_is_refused(url: str, person: Person) -> None:
    done = person.call("config", "--yes", "--reverse", url)
    assert done.returncode == 2
    assert "http://127.0.0.1:8080/v1" in done.stderr
    assert not opencode_json(person).exists()


@pytest.mark.parametrize("form", ["--modern", "--legacy"])
def test_uninstall_restores_the_file(form: str, person: Person) -> None:
    file = opencode_json(person, COMMENTED)
    assert person.call("config", "--yes", form).returncode == 0
    done = person.call("config", "--yes", "--uninstall")
    assert done.returncode == 0, done.stderr
    assert file.read_text() == COMMENTED
    assert "nothing to do" in person.call("config", "--yes", "--uninstall").stdout


def test_uninstall_keeps_and_names_what_was_changed_since(person: Person) -> None:
    file = opencode_json(person, "{}")
    assert person.call("config", "--yes").returncode == 0
    path = (*OLD.models, "gpt-5.2", "options", "reasoningEffort")
    file.write_text(Document(file.read_text()).set(path, "low"))
    done = person.call("config", "--yes", "--uninstall")
    assert "  provider.openai.models.gpt-5.2\n" in done.stdout
    assert models(file) == {"gpt-5.2": {"options": {"reasoningEffort": "low"}}}


def test_uninstall_without_a_file_fails(person: Person) -> None:
    done = person.call("config", "--yes", "--uninstall")
    assert done.returncode == 1
    assert "does not exist" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="links and modes are other things there")
def test_a_link_is_followed_and_a_read_only_file_is_not_written(person: Person, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    file = opencode_json(person)
    file.parent.mkdir(parents=True)
    file.symlink_to(real)
    assert person.call("config", "--yes").returncode == 0
    assert file.is_symlink()
    assert models(real)
    real.chmod(0o444)
    done = person.call("config", "--yes", "--legacy")
    assert done.returncode == 1
    assert "read-only" in done.stderr
    assert "gpt-5.2-low" not in real.read_text()


WITH_PLUGIN = """\
{
  "$schema": "https://opencode.ai/config.json",
  "plugin": ["opencode-openai-codex-key@4.4.0", "another"],
  "provider": {
    "openai": {
      "options": {
        "reasoningEffort": "medium",
        "store": false
      },
      "models": {
        "gpt-5.2-codex-high": {"options": {"reasoningEffort": "high"}}
      }
    }
  }
}
"""


def test_the_plugin_is_named_and_removed_with_its_options(person: Person) -> None:
    file = opencode_json(person, WITH_PLUGIN)
    module = person.home / ".config" / "opencode" / "plugin" / "opencode-openai-codex-key.ts"
    module.parent.mkdir()
    module.write_text("export {}")
    done = person.call("config", "--yes", "--models", "gpt-5.2")
    assert done.returncode == 0, done.stderr
    assert f"{file} loads the plugin opencode-openai-codex-key@4.4.0" in done.stderr
    assert "transformed twice" in done.stderr
    after = parser.parse(file.read_text())
    assert after["plugin"] == ["another"]
    assert "options" not in after["provider"]["openai"]
    assert list(models(file)) == ["gpt-5.2-codex-high", "gpt-5.2"]
    assert not module.exists()
    assert [path.read_text() for path in module.parent.iterdir()] == ["export {}"]
    assert backups(file)[0].read_text() == WITH_PLUGIN


def test_print_omits_the_plugin(person: Person) -> None:
    file = opencode_json(person, WITH_PLUGIN)
    done = person.call("config", "--print")
    assert "transformed twice" in done.stderr
    assert parser.parse(done.stdout)["plugin"] == ["another"]
    assert file.read_text() == WITH_PLUGIN


def test_a_folder_is_refused_as_a_file(person: Person) -> None:
    assert person.call("config", "--yes", "--file", str(person.home)).returncode == 2


def test_at_a_terminal_the_diff_is_coloured_and_confirmed(person: Person) -> None:
    file = opencode_json(person, "{}")
    with person.at_terminal("config", "--models", "gpt-5.2") as child:
        child.expect_exact("\x1b[32m+")
        child.expect(r"Write this\? \[Y/n\]")
        child.sendline("n")
        child.expect_exact("Nothing was written.")
        child.wait()
        assert child.exitstatus == 1
    assert file.read_text() == "{}"
    with person.at_terminal("config", "--models", "gpt-5.2") as child:
        child.expect(r"Write this\? \[Y/n\]")
        child.sendline("")
        child.expect_exact("Wrote ")
        child.expect_exact("--variant high")
        child.wait()
        assert child.exitstatus == 0
    assert list(models(file)) == ["gpt-5.2"]


def test_at_a_terminal_each_file_is_confirmed(person: Person) -> None:
    file = opencode_json(person, WITH_PLUGIN)
    with person.at_terminal("config", "--models", "gpt-5.2") as child:
        child.expect(r"Remove it\? \[Y/n\]")
        child.sendline("n")
        child.expect_exact("The plugin is still installed")
        child.expect(r"Write this\? \[Y/n\]")
        child.sendline("y")
        child.expect_exact("--variant high")
        child.wait()
    assert parser.parse(file.read_text())["plugin"] == ["opencode-openai-codex-key@4.4.0", "another"]
    assert "gpt-5.2" in models(file)


def test_a_file_that_changes_during_the_question_is_not_overwritten(person: Person) -> None:
    file = opencode_json(person, "{}")
    with person.at_terminal("config", "--models", "gpt-5.2") as child:
        child.expect(r"Write this\? \[Y/n\]")
        file.write_text('{"theme": "dark"}')
        child.sendline("y")
        child.expect_exact("was changed by another program")
        child.wait()
        assert child.exitstatus == 1
    assert file.read_text() == '{"theme": "dark"}'


def test_ctrl_c_at_the_question_writes_nothing(person: Person) -> None:
    file = opencode_json(person, "{}")
    with person.at_terminal("config") as child:
        child.expect(r"Write this\? \[Y/n\]")
        child.sendintr()
        child.expect_exact("Aborted")
        child.wait()
        assert child.exitstatus == 1
    assert file.read_text() == "{}"


IN_TWO = """\
{
  // Mine, for OpenCode 2.
  "plugins": ["some-plugin"],
  "providers": {
    "openai": {
      "models": {
        "gpt-5.2": {
          "name": "Mine", /* mine */
          "variants": [
            {"id": "high", "settings": {"reasoningEffort": "medium"}}, // as I like it
            {"id": "own", "settings": {"reasoningEffort": "high"}},
          ],
        },
        "gpt-5.1-codex": {"options": {"reasoningEffort": "high"}}, // of the old form, which OpenCode drops here
      },
    },
  },
}
"""


def new_models(file: Path) -> dict[str, Any]:
    found = parser.parse(file.read_text("utf-8"))
    assert "provider" not in found
    members = found["providers"]["openai"]["models"]
    assert isinstance(members, dict)
    return members


def test_a_file_in_the_form_of_opencode_2_is_extended_in_that_form(person: Person) -> None:
    file = opencode_json(person, IN_TWO, "opencode.jsonc")
    done = person.call("config", "--yes", "--models", "gpt-5.2,gpt-5.1-codex,gpt-5.3-codex")
    assert done.returncode == 0, done.stderr
    found = new_models(file)
    wanted = provider_models.entries(provider_models.select_models(["gpt-5.2", "gpt-5.3-codex"]), form=NEW)
    assert found["gpt-5.3-codex"] == wanted["gpt-5.3-codex"]
    assert found["gpt-5.1-codex"] == {"options": {"reasoningEffort": "high"}}
    assert found["gpt-5.2"]["name"] == "Mine"
    variants = {each["id"]: each["settings"]["reasoningEffort"] for each in found["gpt-5.2"]["variants"]}
    efforts = [each["id"] for each in wanted["gpt-5.2"]["variants"]]
    assert list(variants) == ["high", "own", *(effort for effort in efforts if effort != "high")]
    assert (variants["high"], variants["own"]) == ("medium", "high")
    for comment in ("// Mine, for OpenCode 2.", "/* mine */", "// as I like it", "// of the old form"):
        assert comment in file.read_text()
    assert "drops an entry that mixes two forms: gpt-5.1-codex" in done.stdout
    assert 'variants.high.settings.reasoningEffort: "medium", not "high"' in done.stdout
    assert "opencode2 run -m openai/gpt-5.3-codex#high" in done.stdout
    again = person.call("config", "--yes", "--models", "gpt-5.2,gpt-5.1-codex,gpt-5.3-codex")
    assert "nothing to do" in again.stdout


def test_uninstall_removes_what_was_written_in_the_form_of_opencode_2(person: Person) -> None:
    file = opencode_json(person, IN_TWO, "opencode.jsonc")
    url = "http://127.0.0.1:8080/v1"
    assert person.call("config", "--yes", "--reverse", url).returncode == 0
    assert parser.parse(file.read_text())["providers"]["openai"]["settings"] == {"baseURL": url}
    left = person.call("config", "--yes", "--uninstall")
    assert "providers.openai.settings.baseURL (to remove it, name it with --reverse)" in left.stdout
    assert person.call("config", "--yes", "--uninstall", "--reverse", url).returncode == 0
    assert parser.parse(file.read_text()) == parser.parse(IN_TWO)
    assert "// as I like it" in file.read_text()


def test_an_address_is_written_in_the_form_of_opencode_2_too(person: Person) -> None:
    file = opencode_json(person, '{"plugins": []}')
    url = "http://127.0.0.1:8080/v1"
    done = person.call("config", "--yes", "--models", "gpt-5.2", "--legacy", "--reverse", url)
    assert done.returncode == 0, done.stderr
    efforts = [each for each in new_models(file) if each.startswith("gpt-5.2-")]
    assert len(efforts) == len(new_models(file))
    assert all(entry["settings"]["reasoningEffort"] in name for name, entry in new_models(file).items())
    assert person.call("config", "--yes", "--uninstall", "--reverse", url).returncode == 0
    assert parser.parse(file.read_text()) == {"plugins": []}
