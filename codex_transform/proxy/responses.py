"""Responses that the proxy writes for the client: an error, a JSON object, the head of a stream."""

from collections.abc import Iterable
from copy import copy

from mitmproxy import http

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps

# What an endpoint's response says about its own connection (RFC 9110 section 7.6.1) or body, where it would send
# the client, and cookies.
_DROPPED_RESPONSE_HEADERS = frozenset(
    {
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"keep-alive",
        b"location",
        b"proxy-authenticate",
        b"proxy-connection",
        b"set-cookie",
        b"set-cookie2",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def forwarded_response_headers(headers: http.Headers | None) -> Iterable[tuple[bytes, bytes]]:
    """Return the fields of an endpoint's response that a client may see: request id, rate limits and the like."""
    if headers is None:
        return ()
    dropped = _DROPPED_RESPONSE_HEADERS
    for name, value in headers.fields:
        if name.lower() == b"connection":
            dropped |= {each.strip().lower() for each in value.split(b",")}
    return [(name, value) for name, value in headers.fields if name.lower() not in dropped]


def error_response(problem: ApiError, upstream: http.Headers | None = None) -> http.Response:
    """Return an error in OpenAI's shape; `upstream` are the headers of the endpoint's response, if there was one."""
    response = json_response(problem.status, dumps(problem.payload()), upstream)
    response.headers.pop("retry-after", None)
    if problem.retry_after is not None:
        response.headers["retry-after"] = str(problem.retry_after)
    return response


def json_response(status: int, body: bytes, upstream: http.Headers | None = None) -> http.Response:
    """Return a whole JSON body."""
    headers = http.Headers(forwarded_response_headers(upstream))
    headers["content-type"] = "application/json"
    return http.Response.make(status, body, headers)


def live_stream_response(flow: http.HTTPFlow) -> http.Response:
    """Return the head of a stream of server-sent events that does not come from an endpoint."""
    headers = http.Headers(content_type="text/event-stream; charset=utf-8", cache_control="no-cache")
    if flow.request.is_http11:
        headers["transfer-encoding"] = "chunked"
    response = http.Response.make(200, b"", headers)
    response.headers.pop("content-length", None)
    return response


def event_stream_response(flow: http.HTTPFlow) -> http.Response:
    """Return the head of a stream of server-sent events, in place of the head that the endpoint sent.

    A response of its own: what the endpoint said about its connection must go on holding for that connection, and
    must not hold for the client's.
    """
    upstream = flow.response
    assert upstream is not None
    fields = [field for field in forwarded_response_headers(upstream.headers) if field[0].lower() != b"cache-control"]
    fields += (b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")
    if flow.request.is_http11:
        fields.append((b"transfer-encoding", b"chunked"))
    # A shallow copy: mitmproxy's constructor checks the type of every field.
    head = copy(upstream)
    head.data = copy(upstream.data)
    head.data.headers = http.Headers(fields)
    head.data.http_version, head.data.status_code, head.data.reason = b"HTTP/1.1", 200, b"OK"
    return head
