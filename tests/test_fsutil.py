import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from codex_transform.fsutil import explain, is_missing, retry_while_held, write_private

posix_only = pytest.mark.skipif(os.name != "posix", reason="file modes and limits are POSIX's")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@posix_only
def test_only_the_owner_may_read_new_files_and_folders(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    target = tmp_path / "a" / "b" / "secret"
    write_private(target, b"x")
    assert target.read_bytes() == b"x"
    assert (mode(target), mode(target.parent), mode(tmp_path / "a")) == (0o600, 0o700, 0o700)
    assert mode(tmp_path) == 0o755


@posix_only
def test_a_file_that_others_could_read_becomes_private(tmp_path: Path) -> None:
    target = tmp_path / "secret"
    target.write_bytes(b"old")
    target.chmod(0o644)
    write_private(target, b"new")
    assert (target.read_bytes(), mode(target)) == (b"new", 0o600)


def test_no_temporary_file_remains(tmp_path: Path) -> None:
    for content in (b"one", b"two"):
        write_private(tmp_path / "file", content)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_failed_replacement_keeps_the_old_content(tmp_path: Path) -> None:
    obstacle = tmp_path / "file"
    obstacle.mkdir()
    (obstacle / "old").write_bytes(b"old")
    with pytest.raises(OSError, match="file"):
        write_private(obstacle, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (obstacle / "old").read_bytes() == b"old"


@posix_only
def test_a_full_disk_keeps_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    # A process that may not write files over 100 bytes, so that the write fails halfway.
    script = (
        "import resource, sys; from pathlib import Path; from codex_transform.fsutil import write_private\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: write_private(Path(sys.argv[1]), b'n' * 1000)\n"
        "except OSError: sys.exit(7)"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", script, str(target)], cwd=root, timeout=30, check=False)
    assert done.returncode == 7
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@posix_only
def test_a_symbolic_link_is_kept(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "file"
    real.parent.mkdir()
    real.write_bytes(b"old")
    link = tmp_path / "link"
    link.symlink_to(real)
    write_private(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_what_cannot_be_written_is_named_and_not_the_temporary_file(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "file"
    for filename, named in ((str(file.parent), file.parent), (f"{file}.tmp", file), (None, file)):
        error = OSError(errno.ENOSPC, "No space left on device", filename)
        expected = f"{named} cannot be written (No space left on device). Fix: make room on its disk"
        assert explain(file, "written", error) == expected


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in folders")
def test_a_pipe_or_a_device_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="not a regular file"):
        write_private(pipe, b"data")
    assert pipe.is_fifo()
    assert [*tmp_path.iterdir()] == [pipe]


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"old")
    with pytest.raises(OSError, match="folder"):
        write_private(tmp_path / "folder" / "file", b"new")
    assert (tmp_path / "folder").read_bytes() == b"old"


class HeldFile:
    """A file that a virus scanner releases after a number of attempts."""

    def __init__(self, attempts: int) -> None:
        self.attempts = attempts
        self.pauses: list[float] = []

    def work(self) -> str:
        if len(self.pauses) < self.attempts:
            raise PermissionError(13, "Access is denied")
        return "done"


def test_on_windows_a_held_file_is_retried_for_a_while() -> None:
    held = HeldFile(5)
    assert retry_while_held(held.work, "nt", held.pauses.append) == "done"
    forever = HeldFile(1000)
    with pytest.raises(PermissionError):
        retry_while_held(forever.work, "nt", forever.pauses.append)
    assert 2 <= sum(forever.pauses) < 5
    assert forever.pauses == sorted(forever.pauses)


def test_on_posix_a_missing_permission_is_an_error_at_once() -> None:
    held = HeldFile(1)
    with pytest.raises(PermissionError):
        retry_while_held(held.work, "posix", held.pauses.append)
    assert held.pauses == []


def test_what_is_missing_is_told_from_what_cannot_be_reached(tmp_path: Path) -> None:
    file, loop = tmp_path / "file", tmp_path / "loop"
    file.write_bytes(b"")
    assert not is_missing(file)
    assert is_missing(tmp_path / "none")
    assert is_missing(file / "below")
    if os.name == "posix":
        loop.symlink_to(loop)
        assert not is_missing(loop)
