"""The output of `doctor --json`, with assertions on it."""

import json
import re
from pathlib import Path
from typing import Any

from support.commands import Person
from support.ports import reserved


class Report:
    """What `doctor` found, told that the proxy's port is one that is free."""

    def __init__(self, person: Person, *arguments: str, **variables: str) -> None:
        with reserved() as port:
            done = person.run("doctor", "--json", "--port", str(port), *arguments, **variables)
        self.status = done.returncode
        self.text = done.stdout
        self.document: dict[str, Any] = json.loads(done.stdout)
        assert self.status == (0 if self.document["ok"] else 1), done.stderr
        # The start of the sandbox's keys.
        assert not re.search(r"sk-sandbox-\w", done.stdout + done.stderr)

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


def opencode_json(person: Person, text: str) -> Path:
    folder = person.home / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.json").write_text(text)
    return folder / "opencode.json"
