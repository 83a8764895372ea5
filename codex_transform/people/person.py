"""A person who may use the proxy, as the file of them has it, and their limits."""

import re
import secrets
from datetime import date
from hashlib import sha256
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from codex_transform.catalog import resolve
from codex_transform.people.keys import KEY_PREFIX, hash_key

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


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)
    clients: tuple[Person, ...]


def parse_people(document: dict[str, Any]) -> tuple[Person, ...]:
    """Return the people in a file's object. Raises ValueError with what is wrong in it."""
    try:
        return _Document.model_validate(document).clients
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


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
