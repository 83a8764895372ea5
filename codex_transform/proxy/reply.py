"""Responses that the proxy writes for the client: an error, a JSON object, the head of a stream."""

from collections.abc import Iterable

from mitmproxy import http

from codex_transform.errors import ApiError

# What an endpoint's response says about its own connection (RFC 9110 section 7.6.1) or body, where it would send
# the client, and cookies.
_NOT_FOR_CLIENTS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "keep-alive",
        "location",
        "proxy-authenticate",
        "proxy-connection",
        "set-cookie",
        "set-cookie2",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def passed_on(headers: http.Headers | None) -> Iterable[tuple[bytes, bytes]]:
    """The fields of an endpoint's response that a client may see: request id, rate limits and the like."""
    if headers is None:
        return ()
    named_by_connection = {name.strip().lower() for name in headers.get("connection", "").split(",")}
    dropped = _NOT_FOR_CLIENTS | named_by_connection
    return [(name, value) for name, value in headers.fields if name.decode("latin-1").lower() not in dropped]


def error(problem: ApiError, upstream: http.Headers | None = None) -> http.Response:
    """An error in OpenAI's shape; `upstream` are the headers of the endpoint's response, if there was one."""
    response = json(problem.status, problem.body(), upstream)
    response.headers.pop("retry-after", None)
    if problem.retry_after is not None:
        response.headers["retry-after"] = str(problem.retry_after)
    return response


def json(status: int, body: bytes, upstream: http.Headers | None = None) -> http.Response:
    """A whole JSON body."""
    headers = http.Headers(passed_on(upstream))
    headers["content-type"] = "application/json"
    return http.Response.make(status, body, headers)


def event_stream(flow: http.HTTPFlow) -> http.Response:
    """The head of a stream of server-sent events, in place of the head that the endpoint sent.

    A response of its own: what the endpoint said about its connection must go on holding for that connection, and
    must not hold for the client's.
    """
    upstream = flow.response
    assert upstream is not None
    headers = http.Headers(passed_on(upstream.headers))
    headers["content-type"] = "text/event-stream; charset=utf-8"
    headers["cache-control"] = "no-cache"
    if flow.request.http_version == "HTTP/1.1":
        headers["transfer-encoding"] = "chunked"
    return http.Response(
        http_version=upstream.data.http_version,
        status_code=200,
        reason=b"OK",
        headers=headers,
        content=None,
        trailers=None,
        timestamp_start=upstream.timestamp_start,
        timestamp_end=None,
    )
