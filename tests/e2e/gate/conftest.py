"""Fixtures: another machine, and more than one address to listen on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.neighbour import Neighbour, neighbour
from support.ports import reserved


@pytest.fixture(scope="module")
def stranger() -> Iterator[Neighbour]:
    with neighbour() as there:
        yield there


@pytest.fixture
def at() -> Iterator[Callable[[str], str]]:
    """A function that returns where an additional mode may listen: mitmdump accepts port 0 only once."""
    with ExitStack() as stack:
        yield lambda address: f"@{address}:{stack.enter_context(reserved(address))}"
