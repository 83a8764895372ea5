"""Fixture: a person whose setup `doctor` finds nothing wrong with."""

import json
import os

import pytest
from support import needed
from support.commands import Person

from codex_transform.sandbox import Sandbox


@pytest.fixture
def well(person: Person, sandbox: Sandbox) -> Person:
    """A person with settings in the file and OpenCode on the PATH; only the proxy is not running."""
    person.config.parent.mkdir()
    person.config.write_text(json.dumps({"baseURL": sandbox.url, "apiKey": sandbox.key}))
    person.config.chmod(0o600)
    person.variables["PATH"] = f"{needed.opencode().parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    person.variables["OPENAI_API_KEY"] = "dummy"
    return person
