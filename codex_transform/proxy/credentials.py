"""Keys are on the wire and nowhere else.

mitmproxy keeps, shows, exports and saves flows, so a flow of ours holds the redacted key only (`Bearer sk-…abcd`). The
key itself waits in the flow's `Call`. At the last moment `with_credentials` puts it into a copy of the request that
goes to the connection alone, and only if the request still goes where the key belongs: between the addon and the wire,
other addons, mitmproxy's options and a person in mitmweb may have redirected it.
"""

import logging
from copy import copy

from mitmproxy import http
from mitmproxy.connection import Connection, Server

from codex_transform.endpoint.headers import Field
from codex_transform.proxy.call import Call
from codex_transform.proxy.passing import Passing
from codex_transform.redaction import redact

logger = logging.getLogger(__name__)

Sender = Call | Passing
"""What knows the key of a request, and where that belongs."""

# Headers by which clients say who they are.
CREDENTIAL_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "api-key", "x-api-key"})

_HIDDEN = "…"

# The same as they are in a head. A look into mitmproxy's `Headers` by name goes through all of them each time.
_FIELDS = frozenset(name.encode() for name in CREDENTIAL_HEADERS)
_AUTHORIZATION = b"authorization"
_HIDDEN_BYTES = _HIDDEN.encode()


def redacted_authorization(authorization: str) -> str:
    """Return the value of an Authorization header as it may be seen: `Bearer sk-…abcd`."""
    scheme, _, key = authorization.rpartition(" ")
    return f"{scheme} {redact(key)}".lstrip()


def hide_credentials(headers: http.Headers) -> str | None:
    """Take a client's credentials out of the headers, in place, leaving what may be shown.

    Gives the Authorization that was there; None if there was none, or only what an earlier call left of it.
    """
    authorization = None
    fields: list[Field] = []
    hidden: set[bytes] = set()
    for field in headers.fields:
        name = field[0].lower()
        if name not in _FIELDS:
            fields.append(field)
        elif name not in hidden:
            hidden.add(name)
            seen = _HIDDEN
            if name == _AUTHORIZATION and _HIDDEN_BYTES not in field[1]:
                authorization = field[1].decode("utf-8", "surrogateescape")
                seen = redacted_authorization(authorization)
            fields.append((field[0], _encode(seen)))
    headers.fields = tuple(fields)
    return authorization


def drop_credentials(headers: http.Headers) -> None:
    """Remove a client's credentials, in place."""
    for name in CREDENTIAL_HEADERS:
        headers.pop(name, None)


def with_credentials(request: http.Request, call: Sender | None, connection: Connection) -> http.Request:
    """Return what the connection is to send for the request of a flow.

    That is the request itself, unless its Authorization is one that was hidden: then it is a copy that has the key,
    or, when the request does not go to the endpoint (a warning says so), no Authorization at all.
    """
    fields = request.headers.fields
    values = [value for name, value in fields if name.lower() == _AUTHORIZATION]
    if not any(_HIDDEN_BYTES in value for value in values):
        return request
    # What differs is copied and nothing else: mitmproxy's own copy takes the whole request apart and checks it.
    sent = copy(request)
    sent.data = copy(request.data)
    whole = call.authorization if call else None
    if (
        call
        and whole
        and values == [_encode(redacted_authorization(whole))]
        and _targets_endpoint(call, request, connection)
    ):
        fields = tuple(
            (name, _encode(whole)) if name.lower() == _AUTHORIZATION else (name, value) for name, value in fields
        )
    else:
        fields = tuple(field for field in fields if field[0].lower() != _AUTHORIZATION)
        logger.warning(
            "%s is not the endpoint's address%s: the request is sent there without a key",
            request.url,
            f" ({call.endpoint.url})" if call and call.endpoint else "",
        )
    sent.data.headers = http.Headers(fields)
    return sent


def _encode(value: str) -> bytes:
    """As mitmproxy writes it."""
    return value.encode("utf-8", "surrogateescape")


def _targets_endpoint(call: Sender, request: http.Request, connection: Connection) -> bool:
    """Return whether both the request and the connection that was opened for it lead to the call's endpoint."""
    endpoint = call.endpoint
    return (
        endpoint is not None
        and (request.scheme, request.host, request.port) == (endpoint.scheme, endpoint.host, endpoint.port)
        and call.is_for(request.path)
        and request.host_header == endpoint.authority
        and isinstance(connection, Server)
        and connection.address == (endpoint.host, endpoint.port)
        and connection.tls == (endpoint.scheme == "https")
    )
