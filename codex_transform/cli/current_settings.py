"""The settings in force where a command runs."""

import os
from collections.abc import Mapping

from codex_transform import paths
from codex_transform.opencode import config as opencode_config
from codex_transform.settings import loader
from codex_transform.settings.loader import LoadedSettings


def load_settings(options: Mapping[str, object] | None = None) -> LoadedSettings:
    """Return the settings in force here and now; `options` are mitmproxy's that the user gave.

    Raises MissingFolderError.
    """
    client, _ = opencode_config.load(os.environ, paths.cwd(), paths.home())
    return loader.load(options or {}, os.environ, paths.config_file(paths.home()), client)
