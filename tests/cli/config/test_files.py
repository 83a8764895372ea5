"""Which file `codex-transform config` writes."""

import sys
from pathlib import Path

import pytest
from cli.config.files import models, opencode_json
from support.commands import Person


def test_file_and_project_write_to_other_files(person: Person, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    assert person.call("config", "--yes", "--models", "gpt-5.2", "--file", str(other)).returncode == 0
    assert person.call("config", "--yes", "--models", "gpt-5.1", "--project").returncode == 0
    assert list(models(other)) == ["gpt-5.2"]
    assert list(models(person.project / "opencode.json")) == ["gpt-5.1"]
    assert not opencode_json(person).exists()
    assert person.call("config", "--yes", "--project", "--file", str(other)).returncode == 2


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


def test_a_folder_is_refused_as_a_file(person: Person) -> None:
    assert person.call("config", "--yes", "--file", str(person.home)).returncode == 2
