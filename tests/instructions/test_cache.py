"""The instructions on disk: what is written is read back, what is damaged is discarded."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.catalog import Facts
from codex_transform.instructions.cache import Entry, load, peek, save

ROOT = "https://raw.example/openai/codex"
ENTRY = Entry(root=ROOT, ref="main", path="p", etag='"e"', checked=1000.5, texts={"m": "text — ünïcode\n"})

GOOD = {"version": 1, **ENTRY._asdict()}

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    warnings: list[str] = []
    save(tmp_path, ENTRY, warnings.append)
    assert load(tmp_path, ROOT, "main", warnings.append) == ENTRY
    newer = ENTRY._replace(etag=None, checked=2000.0)
    save(tmp_path, newer, warnings.append)
    assert load(tmp_path, ROOT, "main", warnings.append) == newer
    (name,) = files(tmp_path)
    assert name.startswith("codex-transform-main-")
    assert warnings == []


def test_facts_are_kept_and_a_file_without_them_is_read(tmp_path: Path) -> None:
    entry = ENTRY._replace(facts=(Facts(slug="m", efforts=("low", "max"), context_window=7),))
    save(tmp_path, entry, pytest.fail)
    assert load(tmp_path, ROOT, "main", pytest.fail) == entry
    (file,) = tmp_path.iterdir()
    file.write_text(json.dumps({name: value for name, value in GOOD.items() if name != "facts"}))
    assert load(tmp_path, ROOT, "main", pytest.fail) == ENTRY
    assert ENTRY.facts is None


def test_facts_are_looked_at_one_by_one(tmp_path: Path) -> None:
    save(tmp_path, ENTRY, pytest.fail)
    (file,) = tmp_path.iterdir()
    rows = [{"slug": "m", "efforts": ["hard", "max"], "context_window": -1}, {"slug": "no slug"}]
    file.write_text(json.dumps({**GOOD, "facts": rows}))
    assert load(tmp_path, ROOT, "main", pytest.fail) == ENTRY._replace(facts=(Facts(slug="m", efforts=("max",)),))


def test_peek_discards_nothing(tmp_path: Path) -> None:
    assert peek(tmp_path, ROOT, "main") is None
    save(tmp_path, ENTRY, pytest.fail)
    assert peek(tmp_path, ROOT, "main") == ENTRY
    (file,) = tmp_path.iterdir()
    for content in (b"{", json.dumps({**GOOD, "ref": "other"}).encode()):
        file.write_bytes(content)
        assert peek(tmp_path, ROOT, "main") is None
        assert file.read_bytes() == content


def test_a_missing_folder_is_no_damage(tmp_path: Path) -> None:
    warnings: list[str] = []
    assert load(tmp_path / "none", ROOT, "main", warnings.append) is None
    assert warnings == []


def test_refs_and_roots_are_kept_apart(tmp_path: Path) -> None:
    warnings: list[str] = []
    save(tmp_path, ENTRY, warnings.append)
    assert load(tmp_path, "https://mirror.example", "main", warnings.append) is None
    assert load(tmp_path, ROOT, "rust-v0.120.0", warnings.append) is None
    save(tmp_path, ENTRY._replace(ref="rust-v0.120.0"), warnings.append)
    save(tmp_path, ENTRY._replace(root="https://mirror.example"), warnings.append)
    assert len(files(tmp_path)) == 3
    assert load(tmp_path, ROOT, "main", warnings.append) == ENTRY
    assert warnings == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 50,
        b"null",
        b"[]",
        json.dumps(GOOD).encode()[:-20],
        json.dumps({**GOOD, "version": 2}).encode(),
        json.dumps({**GOOD, "root": "https://mirror.example"}).encode(),
        json.dumps({**GOOD, "ref": "rust-v0.120.0"}).encode(),
        json.dumps({**GOOD, "etag": '"e"\r\nX-Injected: 1'}).encode(),
        json.dumps({**GOOD, "etag": "bare"}).encode(),
        json.dumps({**GOOD, "checked": float("nan")}).encode(),
        json.dumps({**GOOD, "checked": "soon"}).encode(),
        json.dumps({**GOOD, "texts": {}}).encode(),
        json.dumps({**GOOD, "texts": {"m": ""}}).encode(),
        json.dumps({**GOOD, "texts": {"m": 1}}).encode(),
        json.dumps({**GOOD, "facts": {"m": 1}}).encode(),
        json.dumps({**GOOD, "facts": ["m"]}).encode(),
        json.dumps({key: value for key, value in GOOD.items() if key != "path"}).encode(),
    ],
)
def test_a_damaged_file_is_discarded_with_a_warning(tmp_path: Path, content: bytes) -> None:
    warnings: list[str] = []
    save(tmp_path, ENTRY, warnings.append)
    (name,) = files(tmp_path)
    (tmp_path / name).write_bytes(content)
    assert load(tmp_path, ROOT, "main", warnings.append) is None
    assert files(tmp_path) == []
    (warning,) = warnings
    assert name in warning
    assert "damaged" in warning
    assert load(tmp_path, ROOT, "main", warnings.append) is None
    assert len(warnings) == 1


@posix
def test_files_and_new_folders_are_private_to_the_user(tmp_path: Path) -> None:
    folder = tmp_path / ".opencode" / "cache"
    before = os.umask(0o022)
    try:
        save(folder, ENTRY, pytest.fail)
    finally:
        os.umask(before)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


@posix
def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    folder.chmod(0o755)
    save(folder, ENTRY, pytest.fail)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_a_folder_that_cannot_be_created_is_a_warning(tmp_path: Path) -> None:
    blocker = tmp_path / "blocker"
    blocker.write_text("a file where the folder should be")
    warnings: list[str] = []
    save(blocker / "cache", ENTRY, warnings.append)
    save(blocker, ENTRY, warnings.append)
    assert [str(blocker) in warning and "\n" not in warning for warning in warnings] == [True, True]
    assert blocker.read_text() == "a file where the folder should be"


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    warnings: list[str] = []
    save(tmp_path, ENTRY, warnings.append)
    (name,) = files(tmp_path)
    (tmp_path / name).unlink()
    # A folder in the file's place: the text is written, but the rename fails.
    (tmp_path / name).mkdir()
    (tmp_path / name / "x").touch()
    save(tmp_path, ENTRY, warnings.append)
    assert len(warnings) == 1
    assert files(tmp_path) == [name]


def test_a_file_that_cannot_be_read_is_kept(tmp_path: Path) -> None:
    warnings: list[str] = []
    save(tmp_path, ENTRY, warnings.append)
    (name,) = files(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert load(tmp_path, ROOT, "main", warnings.append) is None
    assert len(warnings) == 1
    assert files(tmp_path) == [name]


@given(st.dictionaries(st.text(), st.text(min_size=1), min_size=1), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: Any, checked: float) -> None:
    folder = tmp_path_factory.getbasetemp() / "any-text"
    entry = Entry(root=ROOT, ref="main", path="p", etag=None, checked=checked, texts=texts)
    save(folder, entry, pytest.fail)
    assert load(folder, ROOT, "main", pytest.fail) == entry
