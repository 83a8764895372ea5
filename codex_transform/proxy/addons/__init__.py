"""All addons, put together. mitmproxy loads `addon.py` again when that file changes, so each time new ones are made."""

from codex_transform import paths
from codex_transform.proxy import patches
from codex_transform.proxy.addons.body_retention import BodyRetention
from codex_transform.proxy.addons.call_recorder import CallRecorder
from codex_transform.proxy.addons.client_access import ClientAccess
from codex_transform.proxy.addons.commands import Commands
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.connect_timeout import ConnectTimeout
from codex_transform.proxy.addons.content_view import ContentViews
from codex_transform.proxy.addons.drain import Drain
from codex_transform.proxy.addons.happy_eyeballs import HappyEyeballs
from codex_transform.proxy.addons.instructions_refresh import InstructionsRefresh
from codex_transform.proxy.addons.interception import Interception
from codex_transform.proxy.addons.log_output import LogOutput
from codex_transform.proxy.addons.loopback_guard import LoopbackGuard
from codex_transform.proxy.addons.proxy_passwords import ProxyPasswords
from codex_transform.proxy.addons.reload_guard import Reload
from codex_transform.proxy.addons.request_log import RequestLog
from codex_transform.proxy.addons.request_translation import RequestTranslation
from codex_transform.proxy.addons.response_translation import ResponseTranslation
from codex_transform.proxy.addons.server_replay import ServerReplay
from codex_transform.proxy.composite import CompositeAddon
from codex_transform.usage.store import UsageStore


def build() -> list[object]:
    """Return the addons for mitmproxy, as one: settings first, the request's way out, the answer's way back."""
    config = Config()
    refresh = InstructionsRefresh(config)
    gate = Interception(config)
    log = RequestLog(config)
    limits = ConnectTimeout(config)
    store = UsageStore(paths.usage_database(paths.home_or_none()))
    notes = CallRecorder(config, refresh, store)
    return [
        CompositeAddon(
            LogOutput(),
            Reload(gate),
            config,
            refresh,
            ClientAccess(config),
            ProxyPasswords(),
            gate,
            Drain(config, limits),
            LoopbackGuard(config),
            limits,
            HappyEyeballs(config),
            RequestTranslation(config, refresh, log),
            ServerReplay(),
            ResponseTranslation(log),
            notes,
            BodyRetention(config),
            log,
            ContentViews(),
            Commands(config, refresh, notes, store),
            *patches.apply(),
        )
    ]
