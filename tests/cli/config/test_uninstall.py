"""`codex-transform config --reverse` and `--uninstall`."""

import pytest
from cli.config.files import COMMENTED, models, opencode_json
from support.commands import Person

from codex_transform.jsonc import parser
from codex_transform.jsonc.editor import Document
from codex_transform.opencode.forms import OLD


def test_reverse_sets_the_address_and_uninstall_removes_only_that_one(person: Person) -> None:
    file = opencode_json(person, COMMENTED)
    done = person.call("config", "--yes", "--reverse", "http://127.0.0.1:8080/v1")
    assert "Try: opencode run -m openai/" in done.stdout  # OpenCode connects to the proxy without `run`
    assert "set OPENAI_API_KEY to any text" in done.stdout
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
