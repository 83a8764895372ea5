"""`config --models` without any name."""

import pytest
from support.commands import Person


@pytest.mark.parametrize("names", ["", ",", " , "])
def test_an_empty_list_of_models_is_refused(names: str, person: Person) -> None:
    done = person.run("config", "--yes", "--models", names)
    assert done.returncode == 2
    assert "there is no name in it" in done.stderr
    assert not (person.home / ".config").exists()
