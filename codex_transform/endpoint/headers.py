"""The header fields of a request that go to the endpoint.

Strategy: what a request has that is not known to mean something to an endpoint stays here, since it may tell of the
user's machine or company, such as where traces are collected. Known are the fields of Codex requests, those that begin
with `x-` or as gateways name theirs, and those that the user's own configuration of OpenCode has. A relay without a
field that it needs refuses the request, so in doubt a field is kept. What the Codex CLI sends is all meant for a Codex
endpoint.
"""

from collections.abc import Collection, Iterable
from urllib.parse import quote

# What no endpoint gets from any client: the client's credentials, hop-by-hop fields (RFC 9110 section 7.6.1), those of
# intermediaries, and those that describe the body before it was rewritten.
_DROPPED = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"api-key",
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"keep-alive",
        b"openai-organization",
        b"openai-project",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"via",
        b"x-api-key",
        b"x-real-ip",
    }
)
_DROPPED_PREFIXES = (b"proxy-", b"x-forwarded-")

# Where the client's traces are collected is no concern of an endpoint: W3C, Zipkin, Sentry, Jaeger, and the clouds'.
_TRACING = frozenset(
    {
        b"b3",
        b"baggage",
        b"correlation-context",
        b"elastic-apm-traceparent",
        b"grpc-trace-bin",
        b"newrelic",
        b"request-id",
        b"sentry-trace",
        b"traceparent",
        b"tracestate",
        b"uber-trace-id",
        b"x-amzn-trace-id",
        b"x-cloud-trace-context",
    }
)
_TRACING_PREFIXES = (b"uberctx-", b"x-b3-", b"x-datadog-", b"x-newrelic-", b"x-ot-", b"x-sentry-")

_KEPT = frozenset(
    {
        b"chatgpt-account-id",
        b"conversation-id",
        b"conversation_id",
        b"http-referer",
        b"idempotency-key",
        b"openai-beta",
        b"originator",
        b"session-id",
        b"session_id",
        b"thread-id",
        b"user-agent",
        b"version",
    }
)
# The last five are how gateways name their fields: Cloudflare's (two), Helicone's, Azure's and Tencent's.
_KEPT_PREFIXES = (b"x-", b"cf-access-", b"cf-aig-", b"helicone-", b"ocp-apim-", b"oe-")
# What OpenAI's SDKs tell of the machine that they run on, and browsers of a page.
_USELESS = frozenset({b"x-requested-with"})
_USELESS_PREFIXES = (b"x-stainless-",)

# The names under which OpenCode (1.1 to 1.18) and the Codex CLI send their session id.
_SESSION_HEADERS = (b"session_id", b"session-id", b"x-session-id")

# A header field as it is on the wire.
Field = tuple[bytes, bytes]


DEFAULT_ORIGINATOR = "opencode"
"""The originator for a client that names none: Codex endpoints require one."""


def client_session(fields: Iterable[Field]) -> str | None:
    """Return the session id that the client sent in a header, None if it sent none."""
    values = {name.lower(): value for name, value in fields}
    value = next((values[name] for name in _SESSION_HEADERS if values.get(name)), None)
    return None if value is None else value.decode("utf-8", "surrogateescape")


def forwarded_request_headers(
    fields: Iterable[Field], replaced: Iterable[Field] = (), *, configured: Collection[str] = (), is_codex: bool = False
) -> list[Field]:
    """Return the header fields of a client's request that are forwarded to the endpoint.

    Those that have a name of `replaced`, in any case, are left out: they are sent in another form. `configured` are the
    names, in lower case, that the user has set in the client. With `is_codex` the request is a Codex request already.
    """
    named = [(name.lower(), name, value) for name, value in fields]
    dropped = _DROPPED.union(name.lower() for name, _ in replaced)
    for lower, _, value in named:
        if lower == b"connection":
            dropped |= {each.strip().lower() for each in value.split(b",")}
    wanted = {name.encode("utf-8", "surrogateescape") for name in configured}
    return [
        (name, value)
        for lower, name, value in named
        if lower not in dropped
        and not lower.startswith(_DROPPED_PREFIXES)
        and (lower in wanted or _is_for_endpoint(lower, is_codex))
    ]


def _is_for_endpoint(lower: bytes, is_codex: bool) -> bool:
    """Return whether a field of this name, in lower case, may mean something to an endpoint."""
    if lower in _TRACING or lower.startswith(_TRACING_PREFIXES):
        return False
    if is_codex or lower in _KEPT:
        return True
    return lower.startswith(_KEPT_PREFIXES) and lower not in _USELESS and not lower.startswith(_USELESS_PREFIXES)


def codex_headers(
    *, authorization: str, originator: str | None, session: str | None, streaming: bool = True
) -> list[Field]:
    """Return the header fields that a Codex request has, except Host and Content-Length.

    `authorization` is the whole header value. Without `originator` and `session` the client's own fields stand. The
    names are those that the Codex CLI sends to its backend (releases 0.111 to 0.171).
    """
    headers = [
        (b"Authorization", authorization.encode("utf-8", "surrogateescape")),
        (b"Content-Type", b"application/json"),
        (b"Accept", b"text/event-stream" if streaming else b"application/json"),
        (b"Accept-Encoding", b"identity"),
    ]
    if originator:
        headers.append((b"originator", originator.encode("utf-8", "surrogateescape")))
    if session:
        # A prompt_cache_key may hold any characters, even half of a surrogate pair; a header value may not.
        value = quote(session, safe="!#$&'()*+,/:;=?@[]~ ", errors="replace").strip().encode()
        headers += (b"session_id", value), (b"session-id", value)
    return headers


def header(fields: Iterable[Field], name: bytes) -> str | None:
    """Return the value of the first field of this name, in lower case; None if there is none or it is empty."""
    value = next((value for each, value in fields if each.lower() == name and value), None)
    return None if value is None else value.decode("utf-8", "surrogateescape")
