"""`codex-transform config` with files in the form of OpenCode 2."""

from pathlib import Path
from typing import Any

from cli.config.files import opencode_json
from support.commands import Person

from codex_transform.jsonc import parser
from codex_transform.opencode import provider_models
from codex_transform.opencode.forms import NEW

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
