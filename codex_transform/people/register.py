"""The people who may use the proxy, each with a key of their own: the file that names them.

A key is random and long, so a plain hash of it is enough to keep: it cannot be guessed from that. The `id` of a person
stays when the key is replaced, and so does what belongs to them. Once the file is there, a key is wanted, be it that
nobody is left in it or that it cannot be read: only its absence means that no keys are wanted.
"""

import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from codex_transform.catalog import resolve
from codex_transform.fsutil import write_private
from codex_transform.jsonc import parser
from codex_transform.jsonio import describe_type, dumps

KEY_PREFIX = "ct-"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_RESERVED = ("all", "none", "other")
"""What stands for several people, or for nobody, where usage is shown."""

NAME_RULE = "must be up to 64 letters, digits and . _ @ -, and neither all nor none nor other"


def _name(name: str) -> str:
    if not _NAME.fullmatch(name) or name.lower() in _RESERVED:
        raise ValueError(NAME_RULE)
    return name


class Limits(BaseModel):
    """What a person may use; None, and no models, for no limit."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )

    models: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = ()
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    tokens_per_day: Annotated[int, Field(ge=1)] | None = None
    tokens_per_month: Annotated[int, Field(ge=1)] | None = None

    @property
    def counts_tokens(self) -> bool:
        """Whether there is a limit of tokens."""
        return self.tokens_per_day is not None or self.tokens_per_month is not None

    def allows(self, model: object) -> bool:
        """Return whether a model may be asked for; another name for an allowed one may be, too."""
        if not self.models:
            return True
        return isinstance(model, str) and resolve(model).slug in {resolve(each).slug for each in self.models}


class Person(Limits):
    """A person: the hash of their key, and its last characters, by which they know it."""

    name: Annotated[str, AfterValidator(_name)]
    id: Annotated[str, Field(pattern="^[0-9a-f]{16,64}$")]
    key_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", alias="keySHA256")]
    hint: str = ""
    created: date

    @property
    def owner(self) -> str:
        """What stands for them where something of theirs is stored."""
        return sha256(b"codex-transform person\0" + self.id.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Register:
    """The people; `defined` is whether keys are wanted, `problem` what is wrong with the file."""

    people: tuple[Person, ...] = ()
    defined: bool = False
    problem: str | None = None

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


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)
    clients: tuple[Person, ...]


def hash_key(key: str) -> str:
    """Return what is kept of a key."""
    return sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def load(file: Path) -> Register:
    """Return who is in the file. It never raises: of a file that cannot be used nobody is known."""
    try:
        return Register(read(file), defined=True)
    except (FileNotFoundError, NotADirectoryError):
        return Register()
    except (ValueError, OSError) as error:
        reason = error.strerror or error if isinstance(error, OSError) else error
        return Register(defined=True, problem=f"{file} cannot be used, so nobody is served: {reason}")


def read(file: Path) -> tuple[Person, ...]:
    """Return who is in the file. Raises ValueError with what is wrong in it, and OSError."""
    document = parser.parse(file.read_bytes().decode("utf-8-sig"), strict=True)
    if not isinstance(document, dict):
        raise ValueError(f"it must hold an object in braces, not {describe_type(document)}")  # noqa: TRY004
    try:
        people = _Document.model_validate(document).clients
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    names = [person.name.lower() for person in people]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ValueError(f"{twice} is in it twice")
    return people


def save(file: Path, people: Iterable[Person]) -> None:
    """Replace the file, readable by its owner alone. Raises OSError."""
    rows = [person.model_dump(mode="json", by_alias=True, exclude_defaults=True) for person in people]
    write_private(file, dumps({"clients": rows}, indent=2) + b"\n")


def new_person(name: str, limits: Limits) -> tuple[Person, str]:
    """Return a new person with the key, which is kept nowhere. Raises ValueError for a name that cannot be one."""
    person = Person(
        name=_name(name),
        id=secrets.token_hex(16),
        key_sha256=hash_key(""),
        created=date.today(),  # noqa: DTZ011 - the day of the person who does it
        **limits.model_dump(),
    )
    return with_new_key(person)


def with_new_key(person: Person) -> tuple[Person, str]:
    """Return a person with another key, and that key."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return person.model_copy(update={"key_sha256": hash_key(key), "hint": f"{KEY_PREFIX}…{key[-4:]}"}), key
