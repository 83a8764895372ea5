"""One endpoint, with one mitmdump in front, for all tests of a module; no test sees an earlier test's requests."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.real_clients import Scripts
from support.running import Proxy, mitmdump

from codex_transform import sandbox as sandboxes
from codex_transform.sandbox import Sandbox


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[Sandbox]:
    with sandboxes.running() as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Sandbox:
    shared_sandbox.forget()
    return shared_sandbox


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[Proxy]:
    with mitmdump(tmp_path_factory.mktemp("proxy") / "home", shared_sandbox) as running:
        yield running


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    with ExitStack() as stack:
        yield Scripts(tmp_path_factory.mktemp("scripts"), stack)


@pytest.fixture(scope="module")
def reverse_proxy(tmp_path_factory: pytest.TempPathFactory, shared_sandbox: Sandbox) -> Iterator[Proxy]:
    home: Path = tmp_path_factory.mktemp("reverse") / "home"
    with mitmdump(home, shared_sandbox, "--mode", f"reverse:{shared_sandbox.url}") as running:
        yield running
