"""The people who may use the proxy, each with a key of their own: the file that names them.

The `id` of a person stays when the key is replaced, and so does what belongs to them. Once the file is there, a key is
wanted, be it that nobody is left in it or that it cannot be read: only its absence means that no keys are wanted.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from codex_transform.fsutil import fix_for, write_private
from codex_transform.jsonc import parser
from codex_transform.jsonio import describe_type, dumps
from codex_transform.people.keys import hash_key

if TYPE_CHECKING:
    from codex_transform.people.person import Person


class Register(NamedTuple):
    """The people; `defined` is whether keys are wanted.

    `problem` is what is wrong with the file, and `fix` what to do about it, as an imperative.
    """

    people: tuple[Person, ...] = ()
    defined: bool = False
    problem: str | None = None
    fix: str = ""

    def current(self, person: Person) -> Person | None:
        """Return a person as they are now, None if they have been removed or have another key."""
        return next(
            (each for each in self.people if (each.id, each.key_sha256) == (person.id, person.key_sha256)), None
        )

    def find(self, authorization: str) -> Person | None:
        """Return who sends this Authorization header. The time that takes tells nothing of any key."""
        scheme, _, key = authorization.strip().partition(" ")
        digest = hash_key(key.strip())
        found = None
        for person in self.people:
            if hmac.compare_digest(person.key_sha256, digest):
                found = person
        return found if scheme.lower() == "bearer" else None


def load(file: Path) -> Register:
    """Return who is in the file. It never raises: of a file that cannot be used nobody is known."""
    try:
        return Register(read(file), defined=True)
    except (FileNotFoundError, NotADirectoryError):
        return Register()
    except OSError as error:
        return _unusable(file, error.strerror or str(error), fix_for(error))
    except ValueError as error:
        return _unusable(file, str(error), "correct the file, or restore an older one")


def _unusable(file: Path, reason: str, fix: str) -> Register:
    return Register(defined=True, problem=f"{file} cannot be used, so nobody is served: {reason}", fix=fix)


def read(file: Path) -> tuple[Person, ...]:
    """Return who is in the file. Raises ValueError with what is wrong in it, and OSError."""
    document = parser.parse(file.read_bytes().decode("utf-8-sig"), strict=True)
    if not isinstance(document, dict):
        raise ValueError(f"it must hold an object in braces, not {describe_type(document)}")  # noqa: TRY004
    # Most proxies have no such file, and what checks it takes time to import.
    from codex_transform.people.person import parse_people

    people = parse_people(document)
    names = [person.name.lower() for person in people]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"two of its `clients` have the name {twice}: upper and lower case make no difference")
    return people


def save(file: Path, people: Iterable[Person]) -> None:
    """Replace the file, readable by its owner alone. Raises OSError."""
    rows = [person.model_dump(mode="json", by_alias=True, exclude_defaults=True) for person in people]
    write_private(file, dumps({"clients": rows}, indent=2) + b"\n")
