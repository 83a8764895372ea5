"""Codex instructions: which are cached, and whether the host that they are fetched from answers.

Problems are only warnings, because there is always a text to send.
"""

import time
from collections.abc import Iterator

from codex_transform import paths
from codex_transform.doctor.result import DoctorContext, Result, ok, warning
from codex_transform.instructions import cache as instructions_cache
from codex_transform.instructions.fetch import FetchError, fetch, validate_root
from codex_transform.instructions.store import PATHS

_OLD = 14 * 24 * 3600.0
_TIMEOUT = 5.0
_MIRROR = "Set codex_catalog_url to a mirror if that host is blocked here; the proxy works without it."


def cache(context: DoctorContext) -> Iterator[Result]:
    """Yield the number and age of the instructions on disk."""
    name, settings = "instructions", context.loaded.settings
    if settings.instructions_file:
        yield ok(name, f"your own: {settings.instructions_file}")
        return
    warnings: list[str] = []
    folder = paths.cache_folder(context.home)
    entry = instructions_cache.load(folder, settings.catalog_url, "main", warnings.append)
    for message in warnings:
        yield warning(name, message, "Start the proxy, which fetches them again.")
    if entry is None:
        if not warnings:
            message = "none cached yet: the text that comes with this package is sent"
            yield warning(name, message, "Start the proxy, which fetches them in the background.")
        return
    age = max(0.0, time.time() - entry.checked)
    message = f"{len(entry.texts)} models, checked {_ago(age)} ago"
    yield warning(name, message, _MIRROR) if age > _OLD else ok(name, message)


def host(context: DoctorContext) -> Iterator[Result]:
    """Yield whether the host that they are fetched from answers."""
    name, root = "catalogue", context.loaded.settings.catalog_url
    if context.offline or context.loaded.settings.instructions_file:
        yield ok(name, "not tried")
        return
    if problem := validate_root(root):
        yield warning(name, f"codex_catalog_url {problem}", "Fix that setting.")
        return
    try:
        fetch(f"{root}/main/{PATHS[0]}", None, timeout=_TIMEOUT, deadline=2 * _TIMEOUT)
    except FetchError as error:
        yield warning(name, f"{root} cannot be fetched: {error}", _MIRROR)
    else:
        yield ok(name, f"{root} answers")


def _ago(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return "a moment"
