"""The settings in force for a command."""

import os
from collections.abc import Mapping

from codex_transform import paths
from codex_transform.opencode import config as opencode_config
from codex_transform.settings import loader
from codex_transform.settings.loader import LoadedSettings


def load_settings(options: Mapping[str, object] | None = None) -> LoadedSettings:
    """Return the settings in force; `options` are the options of mitmproxy that the user set.

    Raises MissingFolderError if there is no home folder, or the working directory no longer exists.
    """
    client, _ = opencode_config.load(os.environ, paths.cwd(), paths.home())
    return loader.load(options or {}, os.environ, paths.config_file(paths.home()), client)
