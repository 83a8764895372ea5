"""What `codex-transform config` shows before it writes, and what it asks."""

import json
import re

from cli.config.files import COMMENTED, SECRET, WITH_PLUGIN, backups, models, opencode_json
from support.commands import Person

from codex_transform.jsonc import parser


def test_keys_near_a_change_are_not_shown(person: Person) -> None:
    opencode_json(person, json.dumps({"provider": {"openai": {"options": {"apiKey": SECRET}}}}, indent=2))
    done = person.call("config", "--yes")
    assert '"apiKey": "sk-…6789"' in done.stdout
    assert SECRET not in done.stdout + done.stderr


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
