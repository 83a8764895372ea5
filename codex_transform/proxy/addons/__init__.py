"""All addons, in their order. mitmproxy loads `addon.py` again when that file changes, so `build` makes new ones."""

from codex_transform import paths
from codex_transform.proxy import patches
from codex_transform.proxy.addons.admin import Admin
from codex_transform.proxy.addons.background_responses import BackgroundResponses
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
from codex_transform.proxy.addons.log_redaction import LogRedaction
from codex_transform.proxy.addons.loopback_guard import LoopbackGuard
from codex_transform.proxy.addons.missing_paths import MissingPaths
from codex_transform.proxy.addons.model_list import ModelList
from codex_transform.proxy.addons.people import People
from codex_transform.proxy.addons.people_tokens import PeopleTokens
from codex_transform.proxy.addons.proxy_passwords import ProxyPasswords
from codex_transform.proxy.addons.reload_guard import Reload
from codex_transform.proxy.addons.request_log import RequestLog
from codex_transform.proxy.addons.request_translation import RequestTranslation
from codex_transform.proxy.addons.response_translation import ResponseTranslation
from codex_transform.proxy.addons.server_replay import ServerReplay
from codex_transform.proxy.addons.shared_state import SharedState
from codex_transform.proxy.addons.status import Status
from codex_transform.proxy.addons.stored_responses import StoredResponses
from codex_transform.proxy.addons.trusted_proxies import TrustedProxies
from codex_transform.proxy.addons.websockets import WebSockets
from codex_transform.proxy.bodies import RequestReader
from codex_transform.proxy.composite import CompositeAddon
from codex_transform.proxy.refusals import Refusals
from codex_transform.usage.store import UsageStore

ORDER: tuple[tuple[type, str], ...] = (
    (LogOutput, "before every addon that logs"),
    (LogRedaction, "before a client can connect"),
    (Reload, "has its guard in place before another addon can fail to load"),
    (Config, "before every addon that asks for a setting"),
    (InstructionsRefresh, "makes the instructions that requests need"),
    (TrustedProxies, "says who a client is before one is refused"),
    (ClientAccess, "refuses a client before anything else is done for it"),
    (ProxyPasswords, "redacts a password before a flow can be shown"),
    (Interception, "marks flows as ours for all that follow"),
    (People, "refuses a request without a key before anything else is done for it"),
    (Drain, "refuses a call before anything else is done for it"),
    (LoopbackGuard, "refuses a connection before it gets a timer"),
    (ConnectTimeout, "starts the timer before anything waits for the network"),
    (HappyEyeballs, "waits for the network"),
    (BackgroundResponses, "takes a call out before its request is rewritten, and answers before what is stored does"),
    (WebSockets, "makes the call of a message its client's before the request is rewritten"),
    (RequestTranslation, "the request"),
    (ModelList, "asks the endpoint with its key, which the client's has made room for"),
    (StoredResponses, "answers what is stored, which needs its credentials redacted"),
    (MissingPaths, "answers for the endpoint before its response is translated"),
    (ServerReplay, "takes a replayed call out before its response is translated"),
    (ResponseTranslation, "the response"),
    (PeopleTokens, "has been told what the response cost"),
    (CallRecorder, "needs the translated response, and the client's body that the next one drops"),
    (BodyRetention, "drops what is large and secret"),
    (RequestLog, "has been given its entries by the translations"),
    (ContentViews, "shows what the others have recorded"),
    (Status, "is told of calls until the recorder has ended"),
    (Commands, "reports on the others"),
    (Admin, "reports on the others, and is told of calls until the recorder has ended"),
    (SharedState, "writes what the others have left for it when mitmproxy ends"),
)
"""Why each addon has its place: mitmproxy calls a hook in this order."""


def build() -> list[object]:
    """Return the addons for mitmproxy: all of this package's as one, then the patches that fit this release."""
    config = Config()
    refusals = Refusals()
    refresh = InstructionsRefresh(config)
    interception = Interception(config, refusals)
    reader = RequestReader()
    request_log = RequestLog(config)
    connect_timeout = ConnectTimeout(config)
    state = SharedState(config)
    stored = StoredResponses(state)
    drain = Drain(config, connect_timeout, refusals)
    store = UsageStore(paths.usage_database(paths.home_or_none()))
    recorder = CallRecorder(config, refresh, store)
    recorder.subscribe(refusals.observe)
    people = People(config, reader, store, refusals)
    status = Status(config, drain, people, recorder, refusals)
    addons = (
        LogOutput(config),
        LogRedaction(),
        Reload(interception),
        config,
        refresh,
        TrustedProxies(config),
        ClientAccess(config),
        ProxyPasswords(),
        interception,
        people,
        drain,
        LoopbackGuard(config, refusals),
        connect_timeout,
        HappyEyeballs(config),
        BackgroundResponses(config, reader, stored),
        WebSockets(stored, drain),
        RequestTranslation(config, refresh, reader, stored, request_log),
        ModelList(config),
        stored,
        MissingPaths(),
        ServerReplay(),
        ResponseTranslation(request_log),
        PeopleTokens(people),
        recorder,
        BodyRetention(config),
        request_log,
        ContentViews(),
        status,
        Commands(config, refresh, recorder, store, status),
        Admin(config, drain, recorder, refusals, state),
        state,
    )
    made = {type(addon): addon for addon in addons}
    return [CompositeAddon(*(made[kind] for kind, _ in ORDER), *patches.apply())]
