"""Another machine, and more than one place to listen."""

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
    """Where a further mode of the same mitmdump may listen, by address: it takes port 0 but once."""
    with ExitStack() as stack:
        yield lambda address: f"@{address}:{stack.enter_context(reserved(address))}"
