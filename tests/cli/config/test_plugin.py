"""`codex-transform config` where the plugin that this replaces is installed."""

from cli.config.files import WITH_PLUGIN, backups, models, opencode_json
from support.commands import Person

from codex_transform.jsonc import parser


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
