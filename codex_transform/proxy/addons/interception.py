"""Addon: decides what is intercepted.

TLS to a host that is not ours is tunnelled, never decrypted: the proxy sees no other provider's keys, and hosts with
pinned or private certificates keep working.
"""

import re

from mitmproxy import ctx, http, tls
from mitmproxy.proxy.mode_specs import ReverseMode, UpstreamMode

from codex_transform.endpoint.hosts import is_intercepted_host
from codex_transform.endpoint.url import api_path
from codex_transform.errors import ApiError, bad_request
from codex_transform.proxy import responses
from codex_transform.proxy.addons.client_access import OPEN_PROXY_WARNING, is_open_proxy, is_restricted
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.call import start_call
from codex_transform.proxy.local_request import LocalRequest, ModelsRequest, start_local_request, start_models_request
from codex_transform.proxy.passing import Passing, get_passing, start_passing
from codex_transform.proxy.refusals import Refusals
from codex_transform.proxy.websocket import start_socket
from codex_transform.state.api import route
from codex_transform.state.responses import owner_of
from codex_transform.status import identity
from codex_transform.websocket import handshake

# mitmproxy forwards these characters, which servers read differently (RFC 9110 section 5.5, RFC 9112 section 5.2).
_CONTROL_CHARS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_VERSIONS = ("HTTP/1.0", "HTTP/1.1", "HTTP/2.0", "HTTP/3")

CALLS = ("/responses", "/responses/compact", "/responses/input_tokens")
"""The paths that go to the endpoint."""

_MODELS = "/models"

_TRACES = re.compile(r"/traces/ingest/?(?:\?|$)")

NO_TRACES = ApiError(
    403,
    "traces hold the conversation, which goes to your endpoint and nowhere else: nothing was sent. Fix: set"
    " OPENAI_AGENTS_DISABLE_TRACING=1, or a trace processor of your own",
    code="traces_not_sent",
)
"""What the OpenAI Agents SDK is told, which would send each conversation to OpenAI."""
_SOCKET = "/responses"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Interception:
    """Intercepts requests of ours; everything else passes."""

    def __init__(self, config: Config, refusals: Refusals) -> None:
        self.config = config
        self.refusals = refusals

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Tunnel TLS that does not lead to an intercepted host."""
        address = data.context.server.address
        if address is None or isinstance(data.context.client.proxy_mode, ReverseMode):
            return  # TLS to the proxy itself
        host, port = address[0], address[1]
        # If the name in the client hello is not intercepted, the target does not matter: another server will answer.
        names = [name for name in (None if _is_address(host) else host, data.client_hello.sni) if name]
        if not all(self._intercepts(name, port) for name in names or [host]):
            data.ignore_connection = not is_restricted(self.config, data.context.client)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Mark requests of ours: calls, requests for a WebSocket, and those that are answered here."""
        if flow.response or not flow.live:
            return  # mitmproxy requires a password first, or shows a flow from a file
        if identity.asks_who_answers(flow.request.method, flow.request.headers):
            mode: identity.Mode = "reverse" if isinstance(flow.client_conn.proxy_mode, ReverseMode) else "proxy"
            flow.response = responses.json_response(200, identity.answer(mode))
            return
        if get_passing(flow) or not self.is_for_us(flow):
            return
        path = api_path(flow.request.path)
        if path is None and _TRACES.search(flow.request.path):
            self.refusals.note(flow, NO_TRACES)
            flow.response = responses.error_response(NO_TRACES)
            return
        if path is None:
            start_passing(flow, Passing())
            return
        try:
            self._accept(flow, path)
        except ApiError as error:
            self.refusals.note(flow, error)
            flow.response = responses.error_response(error)
            if error.status == 426:
                flow.response.headers["upgrade"] = "HTTP/1.1"

    def _accept(self, flow: http.HTTPFlow, path: str) -> None:
        """Mark a request for this path of the API. Raises ApiError if it is not a valid one."""
        request = flow.request
        websocket = handshake.asks_for_websocket(request.headers)
        if websocket and (reason := _why_no_websocket(request, path)):
            # A 426 also makes the Codex CLI switch to HTTP at once (RFC 9110 section 15.5.22).
            raise ApiError(
                426,
                f"this proxy speaks HTTP only here, no WebSocket: {reason}. Fix: send the request as POST, without an"
                " upgrade",
            )
        if error := self._reject(request):
            raise error
        if websocket and (page := handshake.foreign_origin(request.headers)) and not self._trusts(page):
            raise ApiError(403, f"web pages of {page} may not use this proxy")
        owner = owner_of(request.headers.get("authorization", ""))
        # mitmproxy treats `post` as POST, but forwards it as written.
        request.method = method = request.method.upper()
        if websocket:
            start_socket(flow, owner)
        elif method == "POST" and path in CALLS:
            start_call(flow, path.removeprefix("/responses"), owner)
        elif method == "GET" and path.startswith(_MODELS):
            start_models_request(flow, ModelsRequest(path.removeprefix(_MODELS).strip("/") or None))
        elif found := route(method, path):
            start_local_request(flow, LocalRequest(*found, owner))
        else:
            raise ApiError(404, f"{method} {path}: the API has no such path")
        # With mitmproxy's option `stream_large_bodies` the body would leave before it is rewritten.
        request.stream = False
        if not request.is_http2 and not isinstance(flow.client_conn.proxy_mode, UpstreamMode):
            # A target in absolute form is for proxies: an endpoint may not know it (RFC 9112 section 3.2.2).
            request.authority = ""

    def is_for_us(self, flow: http.HTTPFlow) -> bool:
        """Return whether a request, whatever its path, is for a host of ours."""
        return self._intercepts(_target_host(flow), flow.request.port)

    def _reject(self, request: http.Request) -> ApiError | None:
        """Return what is wrong with a request of ours, which so must not be sent with the key."""
        if is_open_proxy(self.config):
            return ApiError(403, OPEN_PROXY_WARNING)
        fields = request.headers.fields
        if _CONTROL_CHARS.search(b"".join(value for _, value in fields)):
            name = next(name.decode("ascii", "replace") for name, value in fields if _CONTROL_CHARS.search(value))
            return bad_request(f"header {name} holds a control character or is folded")
        if request.http_version not in _VERSIONS:
            return ApiError(505, f"{request.http_version!r}: this proxy speaks HTTP/1.1 and HTTP/2")
        return None

    def _trusts(self, page: str) -> bool:
        """Return whether a web page from this host may use the key: browsers let pages of any host reach the proxy."""
        return page in _LOOPBACK or any(self._intercepts(page, port) for port in (80, 443))

    def _intercepts(self, host: str, port: int) -> bool:
        return is_intercepted_host(host, port, self.config.settings.hosts, self.config)


def _why_no_websocket(request: http.Request, path: str) -> str | None:
    """Return why a request for a WebSocket cannot be served, None if it can."""
    if path != _SOCKET:
        return f"only {_SOCKET} has one"
    if "websocket" in ctx.options and not ctx.options.websocket:
        return "mitmproxy's option `websocket` is off"
    return handshake.why_not(request.method, request.http_version, request.headers)


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _target_host(flow: http.HTTPFlow) -> str:
    """Return the host that a request is for.

    In transparent modes the target is an address, the name is in the TLS hello.
    """
    host = flow.request.host
    if isinstance(flow.client_conn.proxy_mode, ReverseMode):
        return host
    return flow.client_conn.sni or host if _is_address(host) else host
