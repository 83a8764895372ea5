"""Fixture: a person whose endpoint is the sandbox."""

import pytest
from support.commands import Person

from codex_transform.sandbox import Sandbox


@pytest.fixture
def ready(person: Person, sandbox: Sandbox) -> Person:
    person.uses(sandbox)
    return person
