"""The models that Codex endpoints serve, and what a name that somebody typed means.

Strategy: one data file (`data/models.json`) holds every fact and is validated once, at import. A name is
looked up whole before an effort suffix is taken off it, so the longest match wins: `gpt-5.1-codex-max` is a
model, not `gpt-5.1-codex` at effort max. Names are compared in one normal form (lower case, dashes for
spaces and underscores, no provider prefix), but a name that is not in the catalogue is never changed:
better that the endpoint says it has no such model than that another model answers in its place.
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

_GO_UP = frozenset({"none", "minimal"})
_GO_DOWN = frozenset({"xhigh", "max", "ultra"})
_LONGEST_NAME = 100


class Model(BaseModel):
    """The facts about one model.

    `efforts` stand from least to most. `release` is the newest Codex CLI release that lists the model, and `current`
    whether that is the newest release of all, whose catalogue the repository's `main` branch carries on.
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
    """What a name means: `asked` as the client wrote it, the `slug` to send, and the catalogue's entry for it.

    `effort` is the level that a suffix asked for, not yet clamped. For an unknown model `slug` equals
    `asked`, and `model` and `effort` are None.
    """

    asked: str
    slug: str
    model: Model | None
    effort: str | None


class _Catalogue(BaseModel):
    """The data file. Its releases stand oldest first."""

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
    """Every model of the catalogue, in the order of the data file."""
    return tuple(_models.values())


def aliases() -> Mapping[str, str]:
    """Other names, each with the slug it stands for. An alias wins over a model of the same name."""
    return _aliases


def resolve(name: str) -> Resolved:
    """Return what `name` means: provider prefix, alias, effort suffix, case and spaces are all understood.

    >>> resolve("openai/GPT 5.1 Codex High")[1::2]
    ('gpt-5.1-codex', 'high')

    A name of no known model comes back unchanged, prefix and all. Raises nothing.
    """
    # A client may send megabytes as a name; those must not stay in the cache.
    if len(name) > _LONGEST_NAME:
        return Resolved(name, name, None, None)
    return _resolve(name)


def clamp(effort: str, model: Model) -> str:
    """Return the effort of `model` that is nearest to `effort`.

    Where they are not supported, `none` and `minimal` go up, and `xhigh`, `max` and `ultra` go down. A word
    that is no effort at all gives the model's default. Raises nothing.
    """
    if effort in model.efforts:
        return effort
    if effort not in EFFORTS:
        return model.default_effort
    wanted = EFFORTS.index(effort)
    ranks = [EFFORTS.index(each) for each in model.efforts]
    if effort in _GO_UP:
        ranks = [rank for rank in ranks if rank > wanted] or ranks
    elif effort in _GO_DOWN:
        ranks = [rank for rank in ranks if rank < wanted] or ranks
    return EFFORTS[min(ranks, key=lambda rank: abs(rank - wanted))]


@lru_cache(maxsize=1024)
def _resolve(name: str) -> Resolved:
    plain = re.sub(r"[\s_-]+", "-", name.rpartition("/")[2].strip().lower())
    if model := _known(plain):
        return Resolved(name, model.slug, model, None)
    stem, _, suffix = plain.rpartition("-")
    if suffix in EFFORTS and (model := _known(stem)):
        return Resolved(name, model.slug, model, suffix)
    return Resolved(name, name, None, None)


def _known(plain: str) -> Model | None:
    return _models.get(_aliases.get(plain, plain))
