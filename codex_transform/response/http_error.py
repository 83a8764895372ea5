"""Turn an endpoint's HTTP error into what the client is told: OpenAI's shape, and how to fix it.

Strategy: `error_for_client` goes through the cases from the most specific to the least, and the first that fits makes
the error. Messages are for the person in front of OpenCode: they name the endpoint and the setting to look at, quote
what the endpoint said, and never show a key.
"""

import html
import re
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from codex_transform import jsonio
from codex_transform.decoding import DecodingError, decode
from codex_transform.errors import ApiError
from codex_transform.redaction import redact_secrets
from codex_transform.response import sse
from codex_transform.response.refusals import Refusal, blames_key, find_refusal
from codex_transform.response.retry_after import seconds_until_reset
from codex_transform.response.upstream_error import UpstreamError, read_error

# How much of an endpoint's own words is kept, alone and within a sentence of ours.
_LONGEST = 2000
_LONGEST_QUOTE = 300

# Statuses with which endpoints say that a limit is used up.
_LIMIT_STATUSES = (402, 403, 404, 429)

# What servers say when they know nothing of an address, rather than of a model or an item.
_NO_SUCH_PAGE = ("", "not found", "method not allowed", "404 page not found", "404 not found")

_TITLE = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)


class EndpointError(NamedTuple):
    """What an endpoint said with an HTTP status other than success.

    `text` is its body, decoded. `report` is the error in it, None for a page or a text.
    """

    text: str
    is_page: bool
    report: UpstreamError | None


def read_endpoint_error(headers: Mapping[str, str], body: bytes) -> EndpointError:
    """Read the body of an error; arguments as for `error_for_client`."""
    fields = {name.lower(): value for name, value in headers.items()}
    text = _text(body, fields.get("content-encoding"))
    is_page = text.startswith("<") or "text/html" in fields.get("content-type", "")
    return EndpointError(text, is_page, None if is_page else _report(text))


def error_for_client(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    endpoint: str,
    now: float | None = None,
) -> ApiError:
    """Return the error for a client whose request an endpoint answered with an HTTP status other than success.

    `headers` and `body` are the endpoint's, the body still encoded or not. `endpoint` is its URL as it may be shown.
    `now` is in unix seconds, by default the present.
    """
    fields = {name.lower(): value for name, value in headers.items()}
    text, is_page, report = read_endpoint_error(headers, body)

    if status < 200:
        return ApiError(502, f"{endpoint} answered HTTP {_name(status)}, and nothing after it.")
    if 300 <= status < 400:
        return ApiError(502, _redirected(endpoint, status, fields.get("location")))
    if status > 599:
        status = 502  # what lies beyond counts as a server's error (RFC 9110 section 15), and some clients fail on it
    words = f"{report.code or ''} {report.type or ''} {report.message}" if report else text
    refusal = None
    if status in _LIMIT_STATUSES and (_is_limit(report, text) or status == 429):
        status = 429
    elif status == 403 and not is_page and (refusal := find_refusal(words)):
        status = refusal.status
    retry_after = retry_after_header(status, report, fields, now)
    if is_page:
        return ApiError(status, _page(endpoint, status, text), retry_after=retry_after)
    if refusal:
        return _not_allowed(endpoint, refusal, report, text, retry_after)
    if status == 401 or (status == 403 and blames_key(words)):
        return _unauthorized(endpoint, status, report, text)
    message = report.message if report else text
    if status in (404, 405) and message.strip(" .").lower() in _NO_SUCH_PAGE:
        quoted = _quote(message)
        no_address = f"{endpoint} is not an address of this server (HTTP {status}{quoted})"
        return ApiError(status, f"{no_address}. Check codex_base_url.")
    if report:
        error = report.http_error(status)
        error.message, error.retry_after = _cut(report.message, _LONGEST), retry_after
        return error
    message = _cut(redact_secrets(text), _LONGEST) or f"{endpoint} answered HTTP {_name(status)} and did not say why."
    return ApiError(status, message, retry_after=retry_after)


def page_title(page: str) -> str:
    """Return the title of a web page, "" if it has none."""
    title = _TITLE.search(page)
    return html.unescape(title[1]).strip() if title else ""


def _text(body: bytes, encoding: str | None) -> str:
    # mitmproxy may have decoded it already.
    with suppress(DecodingError):
        body = decode(encoding, body)
    return body.decode(errors="replace").removeprefix("\ufeff").strip()


def _report(text: str) -> UpstreamError | None:
    """Return what the endpoint reports, in JSON or in the first event that does."""
    events = (sse.parse(block).data or b"" for block in sse.split(text.encode()))
    for data in (text.encode(), *events):
        if report := read_error(jsonio.loads_object(data)):
            return report
    return None


def _is_limit(report: UpstreamError | None, text: str) -> bool:
    return report.is_limit if report else "usage limit" in text[:_LONGEST].lower()


def retry_after_header(
    status: int, report: UpstreamError | None, headers: Mapping[str, str], now: float | None = None
) -> int | None:
    """Return the seconds to wait, None if nothing tells; `headers` have lower-case names.

    The endpoint's limit headers come with every answer and count only when one is used up.
    """
    if status in (402, 429):
        return seconds_until_reset(report.details if report else {}, headers, now, report.message if report else "")
    if status >= 500 and "retry-after" in headers:
        return seconds_until_reset({}, {"retry-after": headers["retry-after"]}, now)
    return None


def _redirected(endpoint: str, status: int, location: str | None) -> str:
    try:
        host = urlsplit(location or "").netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    return (
        f"{endpoint} redirects{f' to {host}' if host else ''} (HTTP {status}), and a request with a key in it is not "
        "sent on. Set codex_base_url to the address that answers itself."
    )


def _page(endpoint: str, status: int, text: str) -> str:
    words = _quote(page_title(text))
    fix = "Check codex_base_url." if status < 500 else "The gateway in front of it may be down; try again later."
    if status in (401, 403):
        fix = "Check codex_base_url, and codex_api_key."
    return f"{endpoint} answered with a web page (HTTP {status}{words}). {fix}"


def _unauthorized(endpoint: str, status: int, report: UpstreamError | None, text: str) -> ApiError:
    quoted = _quote(redact_secrets(report.message if report else text, aggressive=True))
    return ApiError(
        status,
        f"{endpoint} refused the key in codex_api_key (HTTP {status}{quoted}). "
        "Set the key of this endpoint; the variable CODEX_API_KEY overrides the config file.",
        type=report.type if report else None,
        code=(report.code if report else None) or ("invalid_api_key" if status == 401 else None),
        param=report.param if report else None,
    )


def _not_allowed(
    endpoint: str, refusal: Refusal, report: UpstreamError | None, text: str, retry_after: int | None
) -> ApiError:
    quoted = _quote(redact_secrets(report.message if report else text, aggressive=True))
    return ApiError(
        refusal.status,
        f"{endpoint} refused the request (HTTP 403{quoted}). {refusal.explanation}",
        type=report.type if report else None,
        code=(report.code if report else None) or refusal.code,
        param=report.param if report else None,
        retry_after=retry_after,
    )


def _quote(text: str) -> str:
    """Return what the endpoint said, to follow its status in a sentence of ours."""
    words = " ".join(redact_secrets(text).split()).rstrip(".")
    return f": {_cut(words, _LONGEST_QUOTE)}" if words else ""


def _name(status: int) -> str:
    try:
        return f"{status} ({HTTPStatus(status).phrase})"
    except ValueError:
        return str(status)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
