"""Addon: has mitmproxy ask those of its own addons that have a hook, and not those that have none.

A request makes a dozen events, and for each of them mitmproxy asks some forty addons in turn whether they have
something to say. Nearly none has: asking costs more than all that they do. Which of mitmproxy's own addons have a hook
is settled once. Everybody else's, scripts and what they bring along, are asked every time, for they can change.
"""

from mitmproxy.addonmanager import AddonManager, Loader, safecall
from mitmproxy.exceptions import AddonHalt
from mitmproxy.hooks import Hook

_trigger_event = AddonManager.trigger_event


class RollCall:
    """Puts our way of asking in place of mitmproxy's."""

    def __init__(self) -> None:
        # By the name of a hook: all addons that there were, and those of them that may have it.
        self._settled: dict[str, tuple[list[object], list[object]]] = {}

    def load(self, _loader: Loader) -> None:
        """The script has been loaded."""

        async def trigger_event(manager: AddonManager, event: Hook) -> None:
            """As mitmproxy's own: in their order, each one's failure for itself, until one calls a halt."""
            for addon in self.answering(manager.chain, event.name):
                try:
                    with safecall():
                        await manager.invoke_addon(addon, event)
                except AddonHalt:
                    return

        AddonManager.trigger_event = trigger_event  # type: ignore[method-assign, assignment]

    def done(self) -> None:
        """mitmproxy ends, or reloads the script."""
        AddonManager.trigger_event = _trigger_event  # type: ignore[method-assign]

    def answering(self, chain: list[object], hook: str) -> list[object]:
        """Those of mitmproxy's addons that may have the hook of this name."""
        known, found = self._settled.get(hook, ([], []))
        if known != chain:
            found = [addon for addon in chain if _may_have(addon, hook)]
            self._settled[hook] = list(chain), found
        return found


def _may_have(addon: object, hook: str) -> bool:
    """False for an addon of mitmproxy's own that has no such hook, nor brings others along that might."""
    own = type(addon).__module__.partition(".")[0] == "mitmproxy"
    return not own or hasattr(addon, "addons") or hasattr(addon, hook)
