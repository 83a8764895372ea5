"""The report of `doctor`, with assertions on it: of the program, or of its checks in this process."""

import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any
from unittest.mock import patch

from support.commands import Person
from support.ports import reserved

from codex_transform.cli import doctor
from codex_transform.doctor import certificate, checkup
from codex_transform.doctor.checkup import Group

WITHOUT_PROXY = tuple(
    Group(title, tuple(check for check in checks if check is not certificate.check_trust))
    for title, checks in checkup.GROUPS
)
"""All checks but the one that starts a proxy of its own."""


class Report:
    """What `doctor` found, told that the proxy's port is one that is free."""

    def __init__(self, person: Person, *arguments: str, **variables: str) -> None:
        with reserved() as port:
            done = person.run("doctor", "--json", "--port", str(port), *arguments, **variables)
        self._take(done.stdout, done.stderr)
        assert done.returncode == (0 if self.document["ok"] else 1), done.stderr

    def _take(self, text: str, errors: str = "") -> None:
        self.text = text
        self.document: dict[str, Any] = json.loads(text)
        # The start of the sandbox's keys.
        assert not re.search(r"sk-sandbox-\w", text + errors)

    def of(self, name: str) -> dict[str, str]:
        """Return the one result of that name."""
        (found,) = [check for check in self.document["checks"] if check["name"] == name]
        return dict(found)

    def faults(self) -> list[str]:
        return [check["name"] for check in self.document["checks"] if check["mark"] == "fault"]

    def expect(self, name: str, mark: str, says: str, fix: str = "") -> None:
        """Assert the result of that name, and that no other is a fault."""
        found = self.of(name)
        assert found["mark"] == mark, found
        assert says in found["says"], found
        assert fix in found["mend"], found
        assert self.faults() == ([name] if mark == "fault" else []), self.text


class QuickReport(Report):
    """The same for what starts no program: the checks run in this process, without the one that starts a proxy."""

    def __init__(self, person: Person, *arguments: str, **variables: str) -> None:
        with (
            reserved() as port,
            patch.dict(os.environ, person.environ(**variables), clear=True),
            contextlib.chdir(person.project),
        ):
            given = doctor.doctor.make_context("doctor", ["--port", str(port), *arguments]).params
            context = doctor.context(given["offline"], given["model"], given["port"])
            found = list(checkup.run_checks(context, WITHOUT_PROXY))
        self._take(json.dumps(doctor.document(found)))


def opencode_json(person: Person, text: str) -> Path:
    folder = person.home / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.json").write_text(text)
    return folder / "opencode.json"
