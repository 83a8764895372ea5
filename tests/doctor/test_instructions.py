"""What `doctor` reports about the cached Codex instructions and the host that they come from."""

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from support.raw_host import NEW_PATH, Answer, RawHost, catalogue, raw_host

from codex_transform.doctor import instructions
from codex_transform.doctor.result import DoctorContext, Result
from codex_transform.instructions.store import InstructionStore
from codex_transform.opencode.config import OpenCodeConfig
from codex_transform.settings import loader


def context(home: Path, root: str) -> DoctorContext:
    client = OpenCodeConfig()
    loaded = loader.load({}, {"CODEX_CATALOG_URL": root}, home / "none.json", client)
    return DoctorContext({"PATH": os.defpath}, home, home, loaded, client, ())


def one(results: Iterable[Result]) -> Result:
    (found,) = results
    assert isinstance(found, Result)
    return found


@pytest.fixture
def host() -> Iterator[RawHost]:
    with raw_host() as running:
        running.answers[f"main/{NEW_PATH}"] = Answer(catalogue("gpt-5.2", "gpt-5.1"))
        yield running


def test_instructions_cached_a_moment_ago_are_fine(tmp_path: Path, host: RawHost) -> None:
    InstructionStore(tmp_path / ".opencode" / "cache", host.root).refresh()
    found = one(instructions.cache(context(tmp_path, host.root)))
    assert (found.mark, found.message) == ("ok", "2 models, checked a moment ago")


def test_instructions_cached_long_ago_are_a_warning(tmp_path: Path, host: RawHost) -> None:
    store = InstructionStore(tmp_path / ".opencode" / "cache", host.root, now=lambda: time.time() - 30 * 86_400)
    store.refresh()
    found = one(instructions.cache(context(tmp_path, host.root)))
    assert (found.mark, found.message) == ("warning", "2 models, checked 30 days ago")
    assert "codex_catalog_url" in found.fix


def test_a_damaged_cache_is_a_warning(tmp_path: Path, host: RawHost) -> None:
    folder = tmp_path / ".opencode" / "cache"
    InstructionStore(folder, host.root).refresh()
    (file,) = folder.glob("codex-transform-main-*.json")
    file.write_text("{")
    found = one(instructions.cache(context(tmp_path, host.root)))
    assert found.mark == "warning"
    assert "damaged" in found.message


def test_a_host_that_answers_is_fine(tmp_path: Path, host: RawHost) -> None:
    found = one(instructions.host(context(tmp_path, host.root)))
    assert (found.mark, found.message) == ("ok", f"{host.root} answers")


def test_a_host_that_does_not_answer_is_a_warning(tmp_path: Path, host: RawHost) -> None:
    host.answers.clear()
    found = one(instructions.host(context(tmp_path, host.root)))
    assert found.mark == "warning"
    assert "HTTP 404" in found.message
    assert "a mirror" in found.fix
