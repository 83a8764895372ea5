"""All addons, put together. mitmproxy loads `addon.py` again when that file changes, so each time new ones are made."""

from codex_transform.proxy.answer import Answer
from codex_transform.proxy.backlog import Backlog
from codex_transform.proxy.collector import Collector
from codex_transform.proxy.commands import Commands
from codex_transform.proxy.config import Config
from codex_transform.proxy.contentview import ContentViews
from codex_transform.proxy.drain import Drain
from codex_transform.proxy.families import Families
from codex_transform.proxy.gate import Gate
from codex_transform.proxy.keeping import Keeping
from codex_transform.proxy.layer import Layers
from codex_transform.proxy.leftovers import Leftovers
from codex_transform.proxy.limits import Limits
from codex_transform.proxy.log_output import LogOutput
from codex_transform.proxy.notes import Notes
from codex_transform.proxy.proxy_passwords import ProxyPasswords
from codex_transform.proxy.refresh import Refresh
from codex_transform.proxy.reload_guard import Reload
from codex_transform.proxy.requestlog import RequestLog
from codex_transform.proxy.rollcall import RollCall
from codex_transform.proxy.server_replay import ServerReplay
from codex_transform.proxy.targets import Targets
from codex_transform.proxy.together import Together
from codex_transform.proxy.transform import Transform
from codex_transform.proxy.visitors import Visitors
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
