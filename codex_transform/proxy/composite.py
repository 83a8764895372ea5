"""Many addons as one, for mitmproxy.

For every event mitmproxy walks through all addons and looks in each for the hook; a request makes a dozen events, so
an addon costs every request something even if it has no hook for it. Here each hook is composed once, when the addons
are made, of those that have it.
"""

from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import Any

from mitmproxy.addonmanager import Loader, safecall
from mitmproxy.hooks import all_hooks

_Hook = Callable[..., Any]


class CompositeAddon:
    """Calls the hooks of its addons in their order; an exception in one does not stop the others, as in mitmproxy."""

    def __init__(self, *addons: object) -> None:
        for name in all_hooks:
            if hooks := [getattr(addon, name) for addon in addons if hasattr(addon, name)]:
                setattr(
                    self, name, hooks[0] if len(hooks) == 1 else _load_all(hooks) if name == "load" else _chain(hooks)
                )


def _load_all(hooks: Sequence[_Hook]) -> _Hook:
    """Return a hook that loads all or none: mitmproxy gets an exception, and takes the script for not loaded."""

    def load(loader: Loader) -> None:
        for hook in hooks:
            hook(loader)

    return load


def _chain(hooks: Sequence[_Hook]) -> _Hook:
    if not any(map(iscoroutinefunction, hooks)):

        def ask(*event: object) -> None:
            for hook in hooks:
                try:
                    hook(*event)
                except Exception as fault:
                    _log_addon_error(fault)

        return ask

    async def ask_and_wait(*event: object) -> None:
        for hook in hooks:
            try:
                waits = hook(*event)
                if waits is not None:
                    await waits
            except Exception as fault:
                _log_addon_error(fault)

    return ask_and_wait


def _log_addon_error(fault: Exception) -> None:
    """Have mitmproxy log an exception. Raises what is meant for mitmproxy itself: AddonHalt, OptionsError."""
    with safecall():
        raise fault
