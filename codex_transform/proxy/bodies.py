"""The body of a client's request."""

from mitmproxy import http

from codex_transform.decoding import DecodingError, decode
from codex_transform.errors import bad_request


def decoded_body(request: http.Request) -> bytes:
    """Return a body without its content encoding. Raises ApiError 400 if it is not what that says."""
    try:
        return decode(request.headers.get("content-encoding"), request.raw_content or b"")
    except DecodingError as error:
        raise bad_request(f"the body is not what content-encoding says: {error}", "content-encoding") from None
