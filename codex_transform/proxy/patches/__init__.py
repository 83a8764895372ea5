"""Everything that replaces or reaches into mitmproxy: what each patch needs there, and whether that is still there.

A patch stays only if nothing public does its work, it changes nothing for other people's addons, and, where it is for
speed, a row of scripts/bench.py shows what it saves. `layers` subclasses mitmproxy's layers for the first patch. The
names below were read off the releases in `TRIED`; `check` looks for them before any of this is imported, so a release
that lacks one costs a clear line: an optional patch is left out, without a required one the proxy does not start.
"""

import logging
from importlib import import_module
from inspect import get_annotations
from typing import NamedTuple

logger = logging.getLogger(__name__)

TRIED = ("11.0.2", "12.3.1")
"""The oldest and the newest release of mitmproxy that all patches were tried with."""


class Patch(NamedTuple):
    """One patch: `addon` is `module:class` below this package, `needs` are `module:name` in mitmproxy and h11.

    `purpose` completes the sentence "without it …". A required patch is one that keys or answers depend on.
    """

    name: str
    addon: str
    purpose: str
    needs: tuple[str, ...]
    required: bool = False


class Missing(NamedTuple):
    """A patch that does not fit, and the names that it misses."""

    patch: Patch
    names: tuple[str, ...]

    def __str__(self) -> str:
        return f"mitmproxy lacks {', '.join(self.names)}: without the patch {self.patch.name} {self.patch.purpose}"


_HTTP = "mitmproxy.proxy.layers.http"

PATCHES = (
    Patch(
        "http_layers",
        "http_layers:InstallHttpLayers",
        "keys would be stored in flows and broken answers would reach clients as they are",
        (
            # The stream: each method is overridden in `layers`, each attribute is read there.
            f"{_HTTP}:HttpStream._handle_event",
            f"{_HTTP}:HttpStream.check_body_size",
            f"{_HTTP}:HttpStream.check_invalid",
            f"{_HTTP}:HttpStream.check_killed",
            f"{_HTTP}:HttpStream.flow_done",
            f"{_HTTP}:HttpStream.handle_protocol_error",
            f"{_HTTP}:HttpStream.make_server_connection",
            f"{_HTTP}:HttpStream.request_body_buf",
            f"{_HTTP}:HttpStream.response_body_buf",
            f"{_HTTP}:HttpStream.send_response",
            f"{_HTTP}:HttpStream.start_response_stream",
            f"{_HTTP}:HttpStream.state_consume_request_body",
            f"{_HTTP}:HttpStream.state_consume_response_body",
            f"{_HTTP}:HttpStream.state_done",
            f"{_HTTP}:HttpStream.state_errored",
            f"{_HTTP}:HttpStream.state_stream_response_body",
            f"{_HTTP}:HttpStream.state_wait_for_request_headers",
            f"{_HTTP}:HttpStream.state_wait_for_response_headers",
            # The connections, and how the layer keeps them.
            f"{_HTTP}:GetHttpConnection.connection_spec_matches",
            f"{_HTTP}:Http1Client.read_headers",
            f"{_HTTP}:Http1Client.send",
            f"{_HTTP}:Http1Connection.done",
            f"{_HTTP}:Http2Client.our_stream_id",
            f"{_HTTP}:Http1Connection.body_reader",
            f"{_HTTP}:Http1Connection.buf",
            f"{_HTTP}:Http1Server.mark_done",
            f"{_HTTP}:Http1Server.read_headers",
            f"{_HTTP}:Http1Server.wait",
            f"{_HTTP}:HttpLayer.connections",
            # A WebSocket that is answered here.
            f"{_HTTP}:HttpStream.passthrough",
            "mitmproxy.proxy.layers.websocket:WebsocketEndHook",
            "mitmproxy.proxy.layers.websocket:WebsocketStartHook",
            # A request that is sent for a client that speaks something else.
            "mitmproxy.addons.clientplayback:MockServer._handle_event",
            "mitmproxy.addons.clientplayback:ReplayHandler.replay",
            "mitmproxy.net.http.http1:connection_close",
            "mitmproxy.net.http.validate:validate_headers",
            "h11._readers:ChunkedReader",
            "h11._receivebuffer:ReceiveBuffer.maybe_extract_at_most",
        ),
        required=True,
    ),
    Patch(
        "http2_layers",
        "http2_layers:InstallHttp2Layers",
        "answers over HTTP/2 break off when the endpoint closes its connection gracefully",
        (
            f"{_HTTP}._http2:BufferedH2Connection",
            f"{_HTTP}._http2:Http2Connection._handle_event",
            f"{_HTTP}._http2:Http2Connection.close_connection",
            f"{_HTTP}._http2:Http2Connection.handle_h2_event",
            f"{_HTTP}:Http2Client.h2_conn",
            f"{_HTTP}:Http2Client.is_closed",
            f"{_HTTP}:Http2Client.stream_queue",
            f"{_HTTP}:Http2Client.streams",
            f"{_HTTP}:Http2Server",
            "h2.connection:H2Connection._receive_goaway_frame",
            f"{_HTTP}._http_h2:BufferedH2Connection",
        ),
    ),
    Patch(
        "transports",
        "transports:EndLostConnections",
        "the proxy could be led to services of its own machine, and requests would wait for connections that are lost",
        (
            "mitmproxy.addons.proxyserver:Proxyserver.connections",
            "mitmproxy.proxy.server:ConnectionHandler.drain_writers",
            "mitmproxy.proxy.server:ConnectionHandler.server_event",
            "mitmproxy.proxy.server:ConnectionHandler.transports",
            "mitmproxy.proxy.server:ConnectionIO.writer",
        ),
        required=True,
    ),
    Patch(
        "listen_backlog",
        "listen_backlog:ListenBacklog",
        "more than 100 clients that connect in the same moment can be reset",
        (
            "mitmproxy.addons.proxyserver:Proxyserver.servers",
            "mitmproxy.proxy.mode_servers:AsyncioServerInstance._servers",
        ),
    ),
    Patch(
        "option_sources",
        "",
        "an option that is set to its default does not override the environment and the config file",
        ("mitmproxy.optmanager:unset",),
    ),
    Patch(
        "field_types",
        "field_types:CheckFieldTypes",
        "each call takes longer, and its bodies stay in memory for a while after it",
        ("mitmproxy.http:MessageData.__post_init__", "mitmproxy.http:MessageData"),
    ),
    Patch(
        "malloc_thresholds",
        "malloc_thresholds:MallocThresholds",
        "each request of a long conversation takes longer",
        ("ctypes:CDLL",),
    ),
    Patch("gc_freeze", "gc_freeze:GcFreeze", "garbage collection pauses every stream now and then", ("gc:freeze",)),
)


def check() -> list[Missing]:
    """Return the patches that do not fit the installed mitmproxy; imports the parts of it that they need."""
    missing = [Missing(patch, tuple(name for name in patch.needs if not exists(name))) for patch in PATCHES]
    return [each for each in missing if each.names]


def unmet() -> str | None:
    """Return why the addon cannot be loaded, for a release of mitmproxy that lacks what a required patch needs."""
    lines = [str(missing) for missing in check() if missing.patch.required]
    if not lines:
        return None
    return f"{'; '.join(lines)}. Fix: install a release of mitmproxy from {TRIED[0]} to {TRIED[1]}"


def apply() -> list[object]:
    """Return the addons of all patches that fit, and log one warning for each that is left out."""
    left_out = {missing.patch: missing for missing in check()}
    for missing in left_out.values():
        logger.warning("%s (left out; tried with mitmproxy %s to %s)", missing, *TRIED)
    return [_load(patch.addon) for patch in PATCHES if patch.addon and patch not in left_out]


def _load(addon: str) -> object:
    module, _, name = addon.partition(":")
    made: object = getattr(import_module(f"{__name__}.{module}"), name)()
    return made


def exists(path: str) -> bool:
    """Return whether `module:name.name` is there; an attribute of instances counts if its class declares it."""
    module, _, names = path.partition(":")
    try:
        owner: object = import_module(module)
    except ImportError:
        return False
    for name in names.split("."):
        if hasattr(owner, name):
            owner = getattr(owner, name)
        elif not (isinstance(owner, type) and any(name in get_annotations(base) for base in owner.__mro__)):
            return False
    return True
