"""Why an endpoint could not be reached, or was lost, and how to fix it.

Strategy: mitmproxy passes on what the system or OpenSSL reported, in as many wordings as there are systems. A table of
substrings tells apart the few cases that a person fixes in different ways. The reasons of our own, the timeouts, name
their setting, and are recognised by it.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from codex_transform.errors import ApiError
from codex_transform.response.body_errors import TRUNCATED


class _Case(NamedTuple):
    signs: str
    cause: str
    fix: str
    status: int = 502


NOT_PROCESSED = "connection closed by GOAWAY, request not processed"
"""The reason of an HTTP/2 request that the endpoint has said that it does not process (RFC 9113 section 8.7)."""

# What is said of a connection that the other side ended.
_LOST = re.compile(r"reset|closed|disconnect|broken pipe|eof|errno (104|54|32)\b|error 10054", re.IGNORECASE)

# The first that fits. Numbers are those of errno on Linux, macOS and Windows.
_CASES = (
    _Case(
        r"stream reset",
        "it gave the request up",
        "Try again; if it happens every time, check codex_base_url.",
    ),
    _Case(
        r"certificate.*(expired|not yet valid)",
        "its certificate is out of date",
        "Check this machine's clock; if it is right, the endpoint's owner has to renew the certificate.",
    ),
    _Case(
        r"certificate.*mismatch",
        "its certificate is for another name",
        "Check codex_base_url: something else may answer there.",
    ),
    _Case(
        r"certificate",
        "its certificate cannot be trusted",
        "Check codex_base_url; for a certificate authority of your own, put "
        "`ssl_verify_upstream_trusted_ca: FILE` into ~/.mitmproxy/config.yaml.",
    ),
    _Case(
        r"timed? ?out|errno (110|60)\b|error 10060",
        "it did not answer in time",
        "Check codex_base_url and the network, or try again later.",
        504,
    ),
    _Case(
        r"resol|getaddrinfo|not known|nodename|no address|errno -[2358]\b|errno 11001",
        "there is no address for this name",
        "Check codex_base_url and the network's DNS.",
    ),
    _Case(
        r"refused|errno (111|61)\b|error (10061|1225)",
        "nothing listens there",
        "Check codex_base_url, and that the endpoint runs.",
    ),
    _Case(
        r"unreachable|no route|errno (101|113|51|65)\b|error (10051|10065)",
        "there is no route to it through the network",
        "Check codex_base_url and the network.",
    ),
    _Case(
        r"cannot parse|protocol error|unexpected server response",
        "what it sends is no proper HTTP",
        "Check codex_base_url: is it the right port, and http or https as it should be?",
    ),
    _Case(
        r"tls|ssl|handshake",
        "it does not speak TLS as it should",
        "Check codex_base_url: is it https, and the right port?",
    ),
    _Case(
        _LOST.pattern,
        "it closed the connection",
        "Try again; if it happens every time, check codex_base_url.",
    ),
    _Case("", "the connection failed", "Check codex_base_url and the network."),
)

# What mitmproxy says of its connection to an upstream proxy: refused by it, or never made. TLS and what comes after are
# the endpoint's own.
_CONNECT_REFUSED = re.compile(r"refused HTTP CONNECT request: (\d{3}) ?([^.]*)")
_CONNECT_FAILED = re.compile(r"connect call failed|\[(?:errno|winerror) |timed? ?out|getaddrinfo|resol", re.IGNORECASE)
_CONNECT_FIXES = {
    407: "start mitmproxy with --upstream-auth user:password.",
    502: "check codex_base_url, and that this proxy can reach it.",
    503: "check codex_base_url, and that this proxy can reach it.",
    504: "check codex_base_url, and that this proxy can reach it.",
}

_LONGEST_REASON = 300

# What mitmproxy says when either side of an HTTP/2 connection resets a stream; here it is always the endpoint.
_RESET = "stream reset by client"

STOPPED = "the proxy was stopped (codex_drain_timeout)"
"""The reason when the proxy ends before the answer does."""

_LIMIT = re.compile(r"codex_(?:connect|idle)_timeout")


NO_ANSWER = frozenset({"endpoint_timeout", "endpoint_unreachable", "upstream_proxy_unreachable"})
"""The codes of errors that say that nothing answered, however it may be with the next request."""


def connect_timeout_reason(host: str, seconds: float) -> str:
    """Return the reason when connecting took longer than the setting `connect_timeout` allows."""
    return f"connecting to {host} took more than {seconds:g} seconds (codex_connect_timeout)"


def idle_timeout_reason(host: str, seconds: float) -> str:
    """Return the reason when an endpoint sent nothing for as long as the setting `idle_timeout` allows."""
    return f"{host} sent nothing for {seconds:g} seconds (codex_idle_timeout)"


def unreachable(endpoint: str, reason: str, upstream_proxy: str | None = None) -> ApiError:
    """Return the error for a client whose request never got an answer: 504 after a timeout, else 502.

    `endpoint` is the address that was tried, `reason` what mitmproxy said about it, or one of ours. `upstream_proxy`
    is the address of the proxy that mitmproxy connects through, if it does (`--mode upstream:…`): a failed connect is
    that proxy's, and so is what it says in answer to CONNECT.
    """
    host = urlsplit(endpoint).netloc or endpoint
    reason = " ".join(_normalize(reason).split())[:_LONGEST_REASON].rstrip(".")
    if reason == STOPPED:
        return ApiError(503, f"No answer from {host}: {reason}. Send the request again.", code="proxy_stopped")
    if limit := _LIMIT.search(reason):
        fix = f"Check codex_base_url and the network, try again later, or allow more time with {limit[0]}."
        return ApiError(504, f"No answer from {host}: {reason}. {fix}", code="endpoint_timeout")
    if upstream_proxy and (error := _upstream_proxy_error(host, reason, upstream_proxy)):
        return error
    case = next(case for case in _CASES if re.search(case.signs, reason, re.IGNORECASE))
    code = "endpoint_timeout" if case.status == 504 else "endpoint_unreachable"
    return ApiError(case.status, f"Cannot reach {host}: {case.cause} ({reason}). {case.fix}", code=code)


def _upstream_proxy_error(host: str, reason: str, proxy: str) -> ApiError | None:
    """Return the error where the upstream proxy is at fault; None where it has let us through."""
    if refused := _CONNECT_REFUSED.search(reason):
        status = int(refused[1])
        fix = _CONNECT_FIXES.get(status, f"Ask whoever runs that proxy, and check that it may connect to {host}.")
        message = f"The upstream proxy {proxy} does not connect to {host}: {refused[1]} {refused[2]}. Fix: {fix}"
    elif _CONNECT_FAILED.search(reason):
        message = (
            f"Cannot reach the upstream proxy {proxy}, so nothing was sent to {host} ({reason}). "
            "Fix: check the address in mitmproxy's --mode upstream:..., and that the proxy runs."
        )
    else:
        return None
    return ApiError(502, message, code="upstream_proxy_unreachable")


def is_lost(reason: str) -> bool:
    """Return whether a connection failed because the other side ended it, and sent nothing that was no HTTP."""
    return bool(_LOST.search(reason)) and "unexpected server response" not in reason


def connection_lost(reason: str) -> ApiError:
    """Return the error for an answer that had begun when it was lost, for this reason.

    504 after a time limit, else 502.
    """
    return ApiError(
        504 if _LIMIT.search(reason) else 502, f"The answer broke off: {_normalize(reason)}.", code=TRUNCATED
    )


def _normalize(reason: str) -> str:
    return reason.replace(_RESET, "stream reset")
