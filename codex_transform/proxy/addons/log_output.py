"""Addon: keeps log lines from failing.

Mitmproxy's handler raises on a character that the console lacks, in the middle of whatever hook has logged.
"""

from mitmproxy.addonmanager import Loader

from codex_transform.console import make_lenient


class LogOutput:
    """Has the console substitute what it cannot show; comes before every addon that logs."""

    def load(self, _loader: Loader) -> None:
        """Make stdout and stderr lenient."""
        make_lenient()
