"""`config --models`: names that are none."""

import pytest
from support.commands import Person


@pytest.mark.parametrize("names", ["", ",", " , "])
def test_no_name_at_all_is_not_all_models(names: str, person: Person) -> None:
    done = person.run("config", "--yes", "--models", names)
    assert done.returncode == 2
    assert "there is no name in it" in done.stderr
    assert not (person.home / ".config").exists()
