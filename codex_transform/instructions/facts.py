"""Read what a row of a models.json says about its model.

Strategy: the file is somebody else's and changes from release to release, so each member is looked at by itself. One
that is missing, or that this program could not act on, counts as not said; what the catalogue has of it then stays.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from codex_transform.catalog import EFFORTS, PRIORITY, Facts

_VERBOSITIES = ("low", "medium", "high")
# Those that OpenCode knows: it does not start with another one in its configuration.
_MODALITIES = ("text", "audio", "image", "video", "pdf")
_MAX_NAME = 100
# As names are looked up: another slug could never be found.
_SLUG = re.compile(r"[a-z0-9][a-z0-9.:+-]*")
_FAST = "fast"  # what the Codex CLI calls the tier `priority`


def read_facts(row: Mapping[str, Any]) -> Facts | None:
    """Return what `row` says, None if it does not name a model."""
    slug, verbosity = row.get("slug"), row.get("support_verbosity")
    if not isinstance(slug, str) or len(slug) > _MAX_NAME or not _SLUG.fullmatch(slug):
        return None
    return Facts(
        slug=slug,
        display_name=_name(row.get("display_name")),
        efforts=_words(row.get("supported_reasoning_levels"), "effort", EFFORTS),
        default_effort=_word(row.get("default_reasoning_level"), EFFORTS),
        supports_verbosity=verbosity if isinstance(verbosity, bool) else None,
        default_verbosity=_word(row.get("default_verbosity"), _VERBOSITIES) if verbosity is True else None,
        context_window=_count(row.get("context_window")),
        input_modalities=_words(row.get("input_modalities"), "", _MODALITIES),
        service_tiers=_tiers(row.get("service_tiers"), row.get("additional_speed_tiers")),
    )


def restore_facts(members: Mapping[str, Any]) -> Facts | None:
    """Return facts that were stored as JSON, None if they do not name a model. They are looked at as a row is."""
    return read_facts({_ROW.get(name, name): members.get(name) for name in Facts._fields})


# What a row calls the members of `Facts`, where it has another name for one.
_ROW = {
    "efforts": "supported_reasoning_levels",
    "default_effort": "default_reasoning_level",
    "supports_verbosity": "support_verbosity",
}


def _name(value: object) -> str | None:
    """Return a name that can be shown: a terminal obeys control characters."""
    usable = isinstance(value, str) and value.strip() and value.isprintable() and len(value) <= _MAX_NAME
    return str(value).strip() if usable else None


def _word(value: object, known: Iterable[str]) -> str | None:
    return next((word for word in known if word == value), None)


def _words(value: object, member: str, known: Iterable[str]) -> tuple[str, ...] | None:
    """Return the known words in a list of words, or of objects that have one as `member`; None if there are none."""
    entries = value if isinstance(value, list) else ()
    words = [entry.get(member) if isinstance(entry, dict) else entry for entry in entries]
    return tuple(word for word in known if word in words) or None


def _tiers(tiers: object, speeds: object) -> tuple[str, ...] | None:
    """Return the service tiers: by their ids, or, as older releases have it, by the word for a faster answer."""
    if not isinstance(tiers, list) and not isinstance(speeds, list):
        return None
    ids = [tier.get("id") if isinstance(tier, dict) else tier for tier in (tiers if isinstance(tiers, list) else ())]
    found = [each for each in ids if isinstance(each, str) and re.fullmatch(r"[a-z0-9_-]{1,40}", each)]
    if isinstance(speeds, list) and _FAST in speeds:
        found.append(PRIORITY)
    return tuple(dict.fromkeys(found))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
