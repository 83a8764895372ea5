"""`whoami` with invalid settings: it does not suggest `login` where that could not help."""

import pytest
from support.commands import Person

from codex_transform.sandbox import Sandbox


@pytest.mark.parametrize(("text", "unknown"), [("[]", 2), ("{,}", 2), ('{"baseURL": "htp://h", "apiKey": ""}', 1)])
def test_login_is_not_suggested_until_the_file_is_fixed(text: str, unknown: int, person: Person) -> None:
    person.config.parent.mkdir()
    person.config.write_text(text)
    person.config.chmod(0o600)
    done = person.call("whoami")
    assert done.returncode == 1
    assert str(person.config) in done.stderr
    assert done.stdout.count("unknown until that is fixed") == unknown
    assert done.stdout.count("run `codex-transform login`") == 2 - unknown


def test_without_settings_login_is_suggested(person: Person) -> None:
    assert person.call("whoami").stdout.count("none: run `codex-transform login`") == 2


def test_named_endpoints_are_added_shown_and_removed(person: Person, sandbox: Sandbox) -> None:
    given = ("--base-url", sandbox.url, "--api-key-stdin")
    assert person.call("login", *given, stdin=sandbox.key).returncode == 0
    named = person.call("login", "--name", "backup", *given, "--priority", "1", "--model", "gpt-5.2", stdin=sandbox.key)
    assert named.returncode == 0, named.stderr
    shown = person.call("whoami").stdout
    assert "· default" in shown
    assert "priority 1 · gpt-5.2" in shown
    assert sandbox.key not in shown
    assert person.call("login", "--priority", "1", *given, stdin=sandbox.key).returncode == 2
    assert person.call("logout", "--name", "nobody").returncode == 1
    assert person.call("logout", "--name", "backup").returncode == 0
    assert "backup" not in person.call("whoami").stdout
