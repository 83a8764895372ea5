"""The body of a client's request."""

from mitmproxy import http

from codex_transform.decoding import DecodingError, decode
from codex_transform.endpoint.headers import client_session
from codex_transform.errors import bad_request
from codex_transform.proxy.call import Call
from codex_transform.request.client_request import ClientRequest
from codex_transform.request.prefix_memory import Key, PrefixMemory


class RequestReader:
    """Reads the request of each call, once for all addons, and remembers how its conversation went so far."""

    def __init__(self) -> None:
        self._memory = PrefixMemory()

    def read(self, flow: http.HTTPFlow, call: Call) -> ClientRequest:
        """Return a call's request. Raises ApiError 400 for what is none."""
        if call.request is None:
            call.request = self._memory.read(_whose(flow, call), decoded_body(flow.request))
        return call.request

    def remember(self, flow: http.HTTPFlow, call: Call) -> None:
        """Remember a request that is about to be sent."""
        if call.request:
            self._memory.remember(_whose(flow, call), call.request)


def _whose(flow: http.HTTPFlow, call: Call) -> Key:
    return call.owner, client_session(flow.request.headers.fields) or ""


def decoded_body(request: http.Request) -> bytes:
    """Return a body without its content encoding. Raises ApiError 400 if it is not what that says."""
    try:
        return decode(request.headers.get("content-encoding"), request.raw_content or b"")
    except DecodingError as error:
        raise bad_request(f"the body is not what content-encoding says: {error}", "content-encoding") from None
