"""The log of a proxy: private, bounded in size and number."""

import stat
from pathlib import Path

from codex_transform.launcher.proxy_log import ProxyLog


def test_the_file_is_private_and_holds_the_lines(tmp_path: Path) -> None:
    with ProxyLog(tmp_path / "a" / "logs") as log:
        log.write("first")
        log.write("second ✓")
        assert log.path.read_text("utf-8") == "first\nsecond ✓\n"
    assert list(log.last) == ["first", "second ✓"]
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    for folder in (log.path.parent, log.path.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_full_file_is_emptied(tmp_path: Path) -> None:
    with ProxyLog(tmp_path, max_bytes=1000) as log:
        for number in range(1000):
            log.write(f"line {number}")
            assert log.path.stat().st_size < 1100
        assert log.path.read_text().endswith("line 999\n")
        assert log.path.read_text().startswith("(earlier lines were dropped)\n")
    assert log.last[-1] == "line 999"
    assert len(log.last) < 20


def test_the_oldest_files_are_deleted(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"proxy-2020010{number}T000000-1.log").touch()
    (tmp_path / "another.log").touch()
    with ProxyLog(tmp_path, max_files=3) as log:
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "another.log",
        "proxy-20200103T000000-1.log",
        "proxy-20200104T000000-1.log",
        log.path.name,
    ]


def test_lines_that_cannot_be_written_are_still_in_last(tmp_path: Path) -> None:
    with ProxyLog(tmp_path) as log:
        pass
    log.write("after its end")
    assert list(log.last) == ["after its end"]


def test_an_old_log_that_cannot_be_deleted_does_no_harm(tmp_path: Path) -> None:
    # A folder stands for a file that another proxy has open, on Windows.
    (tmp_path / "proxy-20200101T000000-1.log").mkdir()
    with ProxyLog(tmp_path, max_files=1) as log:
        log.write("said")
    assert log.path.read_text() == "said\n"
