import os
import sys
from pathlib import Path

import pytest

from codex_transform.opencode import editor as opencode_editor
from codex_transform.opencode.editor import read, rename_to_backup, target, write

posix = pytest.mark.skipif(sys.platform == "win32", reason="file modes and links differ there")


def backups(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.bak-*"))


@pytest.mark.parametrize(
    ("existing", "chosen"),
    [
        ([], "opencode.json"),
        (["opencode.json"], "opencode.json"),
        (["opencode.jsonc"], "opencode.jsonc"),
        (["opencode.json", "opencode.jsonc"], "opencode.jsonc"),
        (["config.json"], "opencode.json"),
    ],
)
def test_an_existing_file_is_chosen_for_writing(existing: list[str], chosen: str, tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "opencode"
    folder.mkdir(parents=True)
    for name in existing:
        (folder / name).write_text("{}")
    assert target({}, tmp_path, tmp_path) == folder / chosen
    assert target({"XDG_CONFIG_HOME": str(tmp_path / ".config")}, tmp_path, tmp_path / "x") == folder / chosen


def test_a_projects_file_is_the_innermost_one_in_the_worktree(tmp_path: Path) -> None:
    top = tmp_path / "work"
    inner = top / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "opencode.json").write_text("{}")  # outside
    assert target({}, inner, tmp_path, project=True) == inner / "opencode.json"
    (top / ".git").mkdir()
    assert target({}, inner, tmp_path, project=True) == inner / "opencode.json"  # an empty folder is no repository
    (top / ".git" / "HEAD").touch()
    assert target({}, inner, tmp_path, project=True) == top / "opencode.json"
    (top / "opencode.jsonc").write_text("{}")
    assert target({}, inner, tmp_path, project=True) == top / "opencode.jsonc"
    (top / "a" / "opencode.json").write_text("{}")
    assert target({}, inner, tmp_path, project=True) == top / "a" / "opencode.json"


def test_reading_keeps_the_byte_order_mark_and_the_line_endings(tmp_path: Path) -> None:
    file = tmp_path / "opencode.json"
    file.write_bytes(b"\xef\xbb\xbf{\r\n}\r\n")
    assert read(file) == "\ufeff{\r\n}\r\n"
    assert read(tmp_path / "absent") == ""


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "opencode.json"
    file.write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match=r"opencode\.json is not UTF-8 text"):
        read(file)
    with pytest.raises(ValueError, match=r"cannot be read \(.*Fix: "):
        read(tmp_path)


def test_a_new_file_has_no_backup(tmp_path: Path) -> None:
    file = tmp_path / "some" / "where" / "opencode.json"
    assert write(file, "{}\n") is None
    assert file.read_text() == "{}\n"
    assert [path.name for path in file.parent.iterdir()] == ["opencode.json"]


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_the_backup_has_the_old_content_and_both_keep_the_mode(mode: int, tmp_path: Path) -> None:
    file = tmp_path / "opencode.json"
    file.write_text("old")
    file.chmod(mode)
    backup = write(file, "new")
    assert backup is not None
    assert (file.read_text(), backup.read_text()) == ("new", "old")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {mode}
    assert backup.name.startswith("opencode.json.bak-2")


def test_backups_of_the_same_second_do_not_replace_each_other(tmp_path: Path) -> None:
    file = tmp_path / "opencode.json"
    file.write_text("0")
    for number in range(1, 5):
        write(file, str(number))
    assert {path.read_text() for path in backups(tmp_path)} == {"0", "1", "2", "3"}


@posix
def test_a_link_is_kept_and_the_backup_is_beside_its_target(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "oc.json"
    real.parent.mkdir()
    real.write_text("old")
    link = tmp_path / "opencode.json"
    link.symlink_to(real)
    assert read(link) == "old"
    backup = write(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert backup is not None
    assert backup.parent == real.parent


@posix
def test_the_target_of_a_link_is_created_and_a_loop_of_links_named(tmp_path: Path) -> None:
    link = tmp_path / "opencode.json"
    link.symlink_to(tmp_path / "there.json")
    assert read(link) == ""
    assert write(link, "new") is None
    assert (tmp_path / "there.json").read_text() == "new"
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    with pytest.raises(ValueError, match=r"loop\.json"):
        read(loop)


@posix
def test_a_read_only_file_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "opencode.json"
    file.write_text("old")
    file.chmod(0o444)
    with pytest.raises(ValueError, match="is read-only"):
        write(file, "new")
    assert file.read_text() == "old"
    assert not backups(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "opencode.json"
    file.parent.mkdir()
    file.write_text("old")
    file.parent.chmod(0o555)
    with pytest.raises(ValueError, match=r"cannot be written \(.*Fix: "):
        write(file, "new")
    file.parent.chmod(0o755)
    assert file.read_text() == "old"


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"cannot be written \(.*Fix: "):
        write(tmp_path / "file" / "opencode.json", "new")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders")
def test_what_is_no_regular_file_is_neither_read_nor_replaced(tmp_path: Path) -> None:
    """A pipe stands for a device, such as /dev/null: to read it would never end, to replace it would break others."""
    pipe = tmp_path / "opencode.json"
    os.mkfifo(pipe)
    with pytest.raises(ValueError, match=r"cannot be read \(it is not a regular file\)\. Fix: name a regular file"):
        read(pipe)
    with pytest.raises(ValueError, match=r"cannot be written \(it is not a regular file\)"):
        write(pipe, "new")
    assert pipe.is_fifo()
    assert [*tmp_path.iterdir()] == [pipe]


def test_a_file_renamed_to_a_backup_is_no_module(tmp_path: Path) -> None:
    file = tmp_path / "plugin.ts"
    file.write_text("x")
    backup = rename_to_backup(file)
    assert not file.exists()
    assert backup.read_text() == "x"
    assert backup.suffix != ".ts"
    with pytest.raises(ValueError, match=r"cannot be moved aside \(.*Fix: "):
        rename_to_backup(file)


def test_a_failed_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    folder = tmp_path / "opencode.json"
    folder.mkdir()
    with pytest.raises(ValueError, match="cannot be written"):
        opencode_editor.write(folder, "new")
    assert list(tmp_path.iterdir()) == [folder]
