"""Refuses requests while mitmproxy reloads the script and the addon is not loaded.

mitmproxy removes a script's addons before it reads the changed file, and goes on without them if that fails: because of
a syntax error, an incompatible package, or an error in `load`. A request would then go to the host that its client
named, with the client's own key.
"""

import logging

from mitmproxy import ctx, http, tls
from mitmproxy.addonmanager import Loader

from codex_transform.errors import ApiError
from codex_transform.proxy import responses
from codex_transform.proxy.addons.interception import Interception

logger = logging.getLogger(__name__)

_NAME = "codex-transform-reload-guard"


class ReloadGuard:
    """An addon that is not part of the script, and so stays: refuses requests to our hosts while `gate` is set."""

    name = _NAME

    def __init__(self) -> None:
        self.gate: Interception | None = None
        self._errors = _FirstError()

    def take_over(self, gate: Interception) -> None:
        """Start to refuse requests that `gate` considers ours, because the addon has been removed."""
        self.gate = gate
        self._errors.message = ""
        logging.getLogger().addHandler(self._errors)

    def stand_by(self) -> None:
        """Let everything pass, because the addon is loaded."""
        self.gate = None
        logging.getLogger().removeHandler(self._errors)

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Tunnel TLS to other hosts, as the addon does."""
        if self.gate:
            self.gate.tls_clienthello(data)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Refuse a new request."""
        self._refuse(flow)

    def request(self, flow: http.HTTPFlow) -> None:
        """Refuse a request that began before the addon was removed."""
        self._refuse(flow)

    def _refuse(self, flow: http.HTTPFlow) -> None:
        if self.gate is None or flow.response or not flow.live or not self.gate.is_for_us(flow):
            return
        reason = self._errors.message or "its script was removed"
        message = (
            f"the addon codex-transform is not loaded ({reason}), so nothing was forwarded. "
            "Fix: put addon.py and the folder codex_transform right, then restart the proxy; its log has all of it"
        )
        flow.request.stream = False  # mitmproxy ignores a response for a request that it is about to forward
        flow.response = responses.error_response(ApiError(502, message, code="addon_not_loaded"))


class Reload:
    """Addon: makes the guard take over whenever mitmproxy removes this one, until it is loaded again."""

    def __init__(self, gate: Interception) -> None:
        self.gate = gate

    def load(self, _loader: Loader) -> None:
        """Install the guard; on a reload, log what a reload does not change."""
        if _guard() is None:
            ctx.master.addons.add(ReloadGuard())
        else:
            logger.warning(
                "addon.py was loaded again, the package codex_transform was not: restart the proxy after changes there"
            )

    def configure(self, _updated: set[str]) -> None:
        """Make the guard stand by, now that all addons have been loaded."""
        if guard := _guard():
            guard.stand_by()

    def done(self) -> None:
        """Make the guard take over: mitmproxy removes the script, or ends."""
        if guard := _guard():
            guard.take_over(self.gate)


class _FirstError(logging.Handler):
    """Keeps the first error that is logged: why the script could not be loaded."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.message = ""

    def emit(self, record: logging.LogRecord) -> None:
        if not self.message:
            error = record.exc_info and record.exc_info[1]
            text = f"{type(error).__name__}: {error}" if error else record.getMessage()
            self.message = " ".join(text.split())


def _guard() -> ReloadGuard | None:
    guard = ctx.master.addons.get(_NAME)
    return guard if isinstance(guard, ReloadGuard) else None
