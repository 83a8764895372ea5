"""Fixture: a person whose setup `doctor` finds nothing wrong with."""

import json
import os

import programs
import pytest
from support import needed
from support.commands import Person

from codex_transform.sandbox import Sandbox


@pytest.fixture
def well(person: Person, sandbox: Sandbox) -> Person:
    """A person with settings in the file and OpenCode on the PATH; only the proxy is not running.

    This OpenCode only prints its version, which is enough for most checks: the real one takes seconds to start.
    """
    person.config.parent.mkdir()
    person.config.write_text(json.dumps({"baseURL": sandbox.url, "apiKey": sandbox.key}))
    person.config.chmod(0o600)
    opencode = person.home / "bin" / "opencode"
    opencode.parent.mkdir()
    opencode.write_text(f"#!/bin/sh\necho {programs.OPENCODE}\n")
    opencode.chmod(0o755)
    person.variables["PATH"] = f"{opencode.parent}{os.pathsep}/usr/bin{os.pathsep}/bin"
    person.variables["OPENAI_API_KEY"] = "dummy"
    return person


@pytest.fixture
def opencode(well: Person) -> None:
    """The real OpenCode is on the PATH of that person."""
    well.variables["PATH"] = f"{needed.opencode().parent}{os.pathsep}{well.variables['PATH']}"
