"""`whoami` when the settings cannot be used: it does not send anybody to `login`, which could not help."""

import pytest
from support.commands import Person


@pytest.mark.parametrize(("text", "unknown"), [("[]", 2), ("{,}", 2), ('{"baseURL": "htp://h", "apiKey": ""}', 1)])
def test_what_stands_in_the_way_comes_first(text: str, unknown: int, person: Person) -> None:
    person.config.parent.mkdir()
    person.config.write_text(text)
    person.config.chmod(0o600)
    done = person.run("whoami")
    assert done.returncode == 1
    assert str(person.config) in done.stderr
    assert done.stdout.count("unknown until that is fixed") == unknown
    assert done.stdout.count("run `codex-transform login`") == 2 - unknown


def test_without_settings_it_names_login(person: Person) -> None:
    assert person.run("whoami").stdout.count("none: run `codex-transform login`") == 2
