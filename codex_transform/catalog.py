"""The models that Codex endpoints serve, and what the name of a model means.

Strategy: one data file (`data/models.json`) is the floor; a test validates it, so that no start has to. What a newer
list of the Codex CLI says is laid over it (`learn`), so that a model released tomorrow has its efforts without a
release of this program. A `Catalogue` never changes: learning makes another one, which takes the place of the current
one as a whole.

A name is looked up whole before a suffix is removed from it, so the longest match wins: `gpt-5.1-codex-max` is a model,
not `gpt-5.1-codex` with effort max. Names are compared in a normal form (lower case, dashes for spaces and underscores,
no provider prefix), but a name that is not in the catalogue is never changed: an error from the endpoint is better than
a response from another model.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from codex_transform.jsonio import loads

EFFORTS: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""Every reasoning effort there is, from least to most."""

MAIN = "main"
"""The release of a model that no release lists yet: the branch that the next one is made from."""

PRIORITY = "priority"
"""The service tier that the suffix `-fast` of a name asks for."""

_CLAMPED_UP = frozenset({"none", "minimal"})
_CLAMPED_DOWN = frozenset({"xhigh", "max", "ultra"})
_MAX_NAME = 100

# What names have behind that of a model: an effort, a kind of the same model, the date of a snapshot.
_SUFFIX = re.compile(
    rf"(.+)-(?:(?P<effort>{'|'.join(EFFORTS)})|(?P<fast>fast)|(?P<pro>pro)|(?P<chat>chat-latest)"
    r"|(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}))"
)


def _ordered(efforts: Iterable[str]) -> tuple[str, ...]:
    """Return the efforts from least to most, each once. Raises ValueError for a word that is none."""
    return tuple(sorted(set(efforts), key=EFFORTS.index))


class Model(NamedTuple):
    """The facts about one model.

    `efforts` are ordered from least to most. `release` is the newest Codex CLI release that lists the model, or `main`;
    `current` is whether the repository's `main` branch lists it, as far as is known.
    """

    slug: str
    display_name: str
    efforts: tuple[str, ...]
    default_effort: str
    supports_verbosity: bool
    default_verbosity: str | None
    context_window: int
    input_modalities: tuple[str, ...]
    release: str
    current: bool
    service_tiers: tuple[str, ...] = ()


class Facts(NamedTuple):
    """What a newer list says about one model, as `instructions/facts.py` reads it; None where it says nothing.

    `default_verbosity` belongs to `supports_verbosity`: where that is said, None means that there is no default.
    """

    slug: str
    display_name: str | None = None
    efforts: tuple[str, ...] | None = None
    default_effort: str | None = None
    supports_verbosity: bool | None = None
    default_verbosity: str | None = None
    context_window: int | None = None
    input_modalities: tuple[str, ...] | None = None
    service_tiers: tuple[str, ...] | None = None


class Resolved(NamedTuple):
    """The meaning of a name: `asked` as the client wrote it, the `slug` to send, and its entry in the catalogue.

    `effort` is the level that a suffix named, not yet clamped, and `service_tier` the tier that one asked for, if the
    model has it. For an unknown model `slug` equals `asked`, and all the others are None.
    """

    asked: str
    slug: str
    model: Model | None
    effort: str | None
    service_tier: str | None = None


class Catalogue:
    """A list of models and aliases, which never changes. An alias takes precedence over a model of the same name.

    `extra_efforts` are efforts that a model has whatever a list says.
    """

    def __init__(
        self, models: Iterable[Model], aliases: Mapping[str, str], extra_efforts: Mapping[str, Iterable[str]]
    ) -> None:
        self._models = {model.slug: model for model in models}
        self._extra_efforts = extra_efforts
        self.models = tuple(self._models.values())
        self.aliases: Mapping[str, str] = MappingProxyType(dict(aliases))
        self._resolve = lru_cache(maxsize=1024)(self._read)

    def resolve(self, name: str) -> Resolved:
        """Return what `name` means; see `catalog.resolve`."""
        # A client may send megabytes as a name, which must not stay in the cache.
        return Resolved(name, name, None, None) if len(name) > _MAX_NAME else self._resolve(name)

    def learn(self, rows: Iterable[Facts]) -> "Catalogue":
        """Return this catalogue with what `rows` say laid over it, and without the aliases that they list as models.

        What a row does not say stays, or for a new model is what most models have; one without efforts is left out.
        """
        learnt = {facts.slug: model for facts in rows if (model := self._learnt(facts))}
        aliases = {name: slug for name, slug in self.aliases.items() if name not in learnt}
        return Catalogue((self._models | learnt).values(), aliases, self._extra_efforts)

    def _learnt(self, facts: Facts) -> Model | None:
        known = self._models.get(facts.slug)
        if known is None and facts.efforts is None:
            return None
        members = known._asdict() if known else _unlisted(facts.slug)
        members |= {name: value for name, value in facts._asdict().items() if value is not None} | {"current": True}
        if facts.supports_verbosity is not None:
            members["default_verbosity"] = facts.default_verbosity
        members["efforts"] = _ordered((*members["efforts"], *self._extra_efforts.get(facts.slug, ())))
        members["default_effort"] = _nearest(members["default_effort"], members["efforts"]) or members["efforts"][0]
        return Model(**members)

    def _read(self, name: str) -> Resolved:
        stem = re.sub(r"[\s_-]+", "-", name.rpartition("/")[2].strip().lower())
        suffixes: dict[str, str] = {}
        while not (model := self._find(stem)):
            match = _SUFFIX.fullmatch(stem)
            kind = match.lastgroup if match else None
            if match is None or kind is None or kind in suffixes:
                return Resolved(name, name, None, None)
            stem, suffixes[kind] = match[1], match[kind]
        tier = PRIORITY if "fast" in suffixes and PRIORITY in model.service_tiers else None
        return Resolved(name, model.slug, model, suffixes.get("effort"), tier)

    def _find(self, name: str) -> Model | None:
        return self._models.get(self.aliases.get(name, name))


def models() -> tuple[Model, ...]:
    """Return every model of the catalogue: those of the data file in its order, then what was learnt."""
    return _current.models


def aliases() -> Mapping[str, str]:
    """Return the aliases with their slugs. An alias takes precedence over a model of the same name."""
    return _current.aliases


def resolve(name: str) -> Resolved:
    """Return what `name` means: provider prefix, alias, suffixes, case and spaces are all understood.

    >>> resolve("openai/GPT 5.1 Codex High")[1::2]
    ('gpt-5.1-codex', 'high')

    Behind the name of a model there may be, each once, an effort, the date of a snapshot, `chat-latest`, `pro` and
    `fast`. The name of an unknown model is returned unchanged, with its prefix. This never raises.
    """
    return _current.resolve(name)


def learn(rows: Iterable[Facts]) -> None:
    """Lay what `rows` say over the data file, in place of what was learnt before. Any thread may call this."""
    global _current
    _current = _bundled.learn(rows)


def clamp(effort: str, model: Model) -> str:
    """Return the effort of `model` that is nearest to `effort`.

    Where they are not supported, `none` and `minimal` go up, and `xhigh`, `max` and `ultra` go down. For a word that
    is no effort the result is the model's default. This never raises.
    """
    return _nearest(effort, model.efforts) or model.default_effort


def _nearest(effort: str, efforts: tuple[str, ...]) -> str | None:
    """Return which of `efforts` is nearest to `effort`, None for a word that is no effort."""
    if effort in efforts:
        return effort
    if effort not in EFFORTS:
        return None
    requested = EFFORTS.index(effort)
    ranks = [EFFORTS.index(each) for each in efforts]
    if effort in _CLAMPED_UP:
        ranks = [rank for rank in ranks if rank > requested] or ranks
    elif effort in _CLAMPED_DOWN:
        ranks = [rank for rank in ranks if rank < requested] or ranks
    return EFFORTS[min(ranks, key=lambda rank: abs(rank - requested))]


def _unlisted(slug: str) -> dict[str, Any]:
    """Return what is assumed of a model that the data file does not have, but for its efforts."""
    return {
        "slug": slug,
        "display_name": slug,
        "default_effort": "medium",
        "supports_verbosity": False,
        "default_verbosity": None,
        "context_window": 272_000,
        "input_modalities": ("text", "image"),
        "release": MAIN,
    }


def _read_data(document: dict[str, Any]) -> Catalogue:
    """Return what the data file says. Its releases are ordered from the oldest."""
    extra: dict[str, list[str]] = document["extra_efforts"]
    newest = document["releases"][-1]
    models = []
    for row in document["models"]:
        members: dict[str, Any] = row | {name: tuple(each) for name, each in row.items() if isinstance(each, list)}
        members["efforts"] = _ordered((*row["efforts"], *extra.get(row["slug"], ())))
        models.append(Model(**members, current=row["release"] == newest))
    return Catalogue(models, document["aliases"], extra)


_bundled = _read_data(loads(files(__package__).joinpath("data/models.json").read_bytes()))
_current = _bundled
