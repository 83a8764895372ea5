"""A running sandbox, and a client of it."""

from collections.abc import Iterator

import pytest
from sandbox.client import Client

from codex_transform.sandbox import Sandbox, running


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with running() as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)
