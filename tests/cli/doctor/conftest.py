"""Somebody to examine."""

import json
import os

import pytest
from support import needed
from support.commands import Person

from codex_transform.sandbox import Sandbox


@pytest.fixture
def well(person: Person, sandbox: Sandbox) -> Person:
    """Somebody with nothing wrong but that no proxy runs: settings in the file, OpenCode on the PATH."""
    person.config.parent.mkdir()
    person.config.write_text(json.dumps({"baseURL": sandbox.url, "apiKey": sandbox.key}))
    person.config.chmod(0o600)
    person.variables["PATH"] = f"{needed.opencode().parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    person.variables["OPENAI_API_KEY"] = "dummy"
    return person
