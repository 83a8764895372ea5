"""All addons, put together. mitmproxy loads `addon.py` again when that file changes, so each time new ones are made."""

from codex_transform.proxy.addons.body_retention import Keeping
from codex_transform.proxy.addons.call_recorder import Notes
from codex_transform.proxy.addons.client_access import Visitors
from codex_transform.proxy.addons.commands import Commands
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.connect_timeout import Limits
from codex_transform.proxy.addons.content_view import ContentViews
from codex_transform.proxy.addons.drain import Drain
from codex_transform.proxy.addons.happy_eyeballs import Families
from codex_transform.proxy.addons.instructions_refresh import Refresh
from codex_transform.proxy.addons.interception import Gate
from codex_transform.proxy.addons.log_output import LogOutput
from codex_transform.proxy.addons.loopback_guard import Targets
from codex_transform.proxy.addons.proxy_passwords import ProxyPasswords
from codex_transform.proxy.addons.reload_guard import Reload
from codex_transform.proxy.addons.request_log import RequestLog
from codex_transform.proxy.addons.request_translation import Transform
from codex_transform.proxy.addons.response_translation import Answer
from codex_transform.proxy.addons.server_replay import ServerReplay
from codex_transform.proxy.composite import Together
from codex_transform.proxy.layers.stream import Layers
from codex_transform.proxy.patches.gc_freeze import Collector
from codex_transform.proxy.patches.listen_backlog import Backlog
from codex_transform.proxy.patches.transports import Leftovers
from codex_transform.proxy.rollcall import RollCall
from codex_transform.usage.store import FILE, UsageStore


def build() -> list[object]:
    """Return the addons for mitmproxy, as one: settings first, the request's way out, the answer's way back."""
    config = Config()
    refresh = Refresh(config)
    gate = Gate(config)
    log = RequestLog(config)
    limits = Limits(config)
    store = UsageStore(FILE)
    notes = Notes(config, refresh, store)
    return [
        Together(
            LogOutput(),
            Reload(gate),
            config,
            refresh,
            Visitors(config),
            ProxyPasswords(),
            Layers(),
            RollCall(),
            gate,
            Drain(config, limits),
            Targets(config),
            limits,
            Families(config),
            Leftovers(),
            Backlog(),
            Transform(config, refresh, log),
            ServerReplay(),
            Answer(log),
            notes,
            Keeping(config),
            log,
            ContentViews(),
            Commands(config, refresh, notes, store),
            Collector(),
        )
    ]
