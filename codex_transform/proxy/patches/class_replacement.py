"""Puts classes of ours in the place of mitmproxy's own.

mitmproxy looks its layers up by name when a connection or a request begins, whoever made the layer above: the proxy in
any of its modes, or client replay, which asks no addon about layers. So they are replaced in the module.
"""

from types import ModuleType
from typing import NamedTuple

from mitmproxy.addonmanager import Loader


class Replacement(NamedTuple):
    """A class of mitmproxy's that another takes the place of, in the module that uses it."""

    module: ModuleType
    theirs: type
    ours: type


class ReplaceClasses:
    """Addon: has mitmproxy use our classes while it is loaded."""

    replacements: tuple[Replacement, ...]

    def load(self, _loader: Loader) -> None:
        """Replace the classes."""
        for each in self.replacements:
            setattr(each.module, each.theirs.__name__, each.ours)

    def done(self) -> None:
        """Put mitmproxy's own back: it ends, or reloads the script."""
        for each in self.replacements:
            setattr(each.module, each.theirs.__name__, each.theirs)
