"""Loads what a proxy last fetched about the models, for commands that run without a proxy."""

from contextlib import suppress

from codex_transform import paths
from codex_transform.cli.current_settings import load_settings
from codex_transform.instructions.store import learn_cached


def learn_models() -> None:
    """Add the cached facts about models to the catalogue; without a home folder or a cache it stays as it is."""
    with suppress(paths.MissingFolderError):
        learn_cached(paths.cache_folder(paths.home()), load_settings().settings.catalog_url)
