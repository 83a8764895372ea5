"""A person at the command line, and an endpoint for them."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from support.commands import Person
from support.ports import reserved
from support.waiting import eventually

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with sandboxes.running() as running:
        yield running


@pytest.fixture
def same_day() -> None:
    """Midnight does not come while a test counts by days."""

    def is_far() -> bool:
        now = datetime.now().astimezone()
        return now.date() == (now + timedelta(minutes=1)).date()

    assert eventually(is_far, 90)


@pytest.fixture
def nobody() -> Iterator[str]:
    """An address of this machine where nothing listens."""
    with reserved() as port:
        yield f"http://127.0.0.1:{port}"
