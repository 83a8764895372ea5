"""`doctor --json` as the tests read it."""

import json
import re
from pathlib import Path
from typing import Any

from support.commands import Person
from support.ports import reserved


class Report:
    """What it found for somebody who means to have the proxy at a free port."""

    def __init__(self, person: Person, *arguments: str, **variables: str) -> None:
        with reserved() as port:
            done = person.run("doctor", "--json", "--port", str(port), *arguments, **variables)
        self.status = done.returncode
        self.text = done.stdout
        self.document: dict[str, Any] = json.loads(done.stdout)
        assert self.status == (0 if self.document["ok"] else 1), done.stderr
        # As the sandbox's keys begin.
        assert not re.search(r"sk-sandbox-\w", done.stdout + done.stderr)

    def of(self, name: str) -> dict[str, str]:
        """The one finding of that name."""
        (found,) = [check for check in self.document["checks"] if check["name"] == name]
        return dict(found)

    def faults(self) -> list[str]:
        return [check["name"] for check in self.document["checks"] if check["mark"] == "fault"]

    def expect(self, name: str, mark: str, says: str, fix: str = "") -> None:
        """A finding, and no fault but that."""
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
