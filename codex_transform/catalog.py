"""The models that Codex endpoints serve, and what the name of a model means.

Strategy: one data file (`data/models.json`) holds every fact and is validated once, at import. A name is looked up
whole before an effort suffix is removed from it, so the longest match wins: `gpt-5.1-codex-max` is a model, not
`gpt-5.1-codex` with effort max. Names are compared in a normal form (lower case, dashes for spaces and underscores, no
provider prefix), but a name that is not in the catalogue is never changed: an error from the endpoint is better than
a response from another model.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from codex_transform.jsonio import loads

EFFORTS: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra")
"""Every reasoning effort there is, from least to most."""

_CLAMPED_UP = frozenset({"none", "minimal"})
_CLAMPED_DOWN = frozenset({"xhigh", "max", "ultra"})
_MAX_CACHED_NAME = 100


class Model(BaseModel):
    """The facts about one model.

    `efforts` are ordered from least to most. `release` is the newest Codex CLI release that lists the model, and
    `current` whether that is the newest release of all, whose catalogue the repository's `main` branch continues.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: str
    display_name: str
    efforts: tuple[str, ...] = Field(min_length=1)
    default_effort: str
    supports_verbosity: bool
    default_verbosity: str | None
    context_window: int
    input_modalities: tuple[str, ...]
    service_tiers: tuple[str, ...] = ()
    release: str
    current: bool


class Resolved(NamedTuple):
    """The meaning of a name: `asked` as the client wrote it, the `slug` to send, and its entry in the catalogue.

    `effort` is the level that a suffix named, not yet clamped. For an unknown model `slug` equals
    `asked`, and `model` and `effort` are None.
    """

    asked: str
    slug: str
    model: Model | None
    effort: str | None


class _Catalogue(BaseModel):
    """The data file. Its releases are ordered from the oldest."""

    model_config = ConfigDict(extra="forbid")

    about: list[str]
    releases: list[str] = Field(min_length=1)
    aliases: dict[str, str]
    models: list[dict[str, Any]]


_data = _Catalogue.model_validate(loads(files(__package__).joinpath("data/models.json").read_bytes()))
_models: Mapping[str, Model] = MappingProxyType(
    {row["slug"]: Model(**row, current=row.get("release") == _data.releases[-1]) for row in _data.models}
)
_aliases: Mapping[str, str] = MappingProxyType(_data.aliases)


def models() -> tuple[Model, ...]:
    """Return every model of the catalogue, in the order of the data file."""
    return tuple(_models.values())


def aliases() -> Mapping[str, str]:
    """Return the aliases with their slugs. An alias takes precedence over a model of the same name."""
    return _aliases


def resolve(name: str) -> Resolved:
    """Return what `name` means: provider prefix, alias, effort suffix, case and spaces are all understood.

    >>> resolve("openai/GPT 5.1 Codex High")[1::2]
    ('gpt-5.1-codex', 'high')

    The name of an unknown model is returned unchanged, with its prefix. This never raises.
    """
    # A client may send megabytes as a name, which must not stay in the cache.
    if len(name) > _MAX_CACHED_NAME:
        return Resolved(name, name, None, None)
    return _resolve(name)


def clamp(effort: str, model: Model) -> str:
    """Return the effort of `model` that is nearest to `effort`.

    Where they are not supported, `none` and `minimal` go up, and `xhigh`, `max` and `ultra` go down. For a word that
    is no effort the result is the model's default. This never raises.
    """
    if effort in model.efforts:
        return effort
    if effort not in EFFORTS:
        return model.default_effort
    requested = EFFORTS.index(effort)
    ranks = [EFFORTS.index(each) for each in model.efforts]
    if effort in _CLAMPED_UP:
        ranks = [rank for rank in ranks if rank > requested] or ranks
    elif effort in _CLAMPED_DOWN:
        ranks = [rank for rank in ranks if rank < requested] or ranks
    return EFFORTS[min(ranks, key=lambda rank: abs(rank - requested))]


@lru_cache(maxsize=1024)
def _resolve(name: str) -> Resolved:
    normal = re.sub(r"[\s_-]+", "-", name.rpartition("/")[2].strip().lower())
    if model := _find(normal):
        return Resolved(name, model.slug, model, None)
    stem, _, suffix = normal.rpartition("-")
    if suffix in EFFORTS and (model := _find(stem)):
        return Resolved(name, model.slug, model, suffix)
    return Resolved(name, name, None, None)


def _find(name: str) -> Model | None:
    return _models.get(_aliases.get(name, name))
