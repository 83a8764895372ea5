"""The state of a request of ours, from its headers to the end of its response.

Kept beside the flow rather than in `flow.metadata`, which mitmproxy copies and writes into flow files: the weak
mapping lets a call go with its flow. It is also what keeps keys out of flows: see `credentials.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from mitmproxy import http

from codex_transform.endpoint.url import Endpoint
from codex_transform.errors import ApiError
from codex_transform.proxy.call_attempts import CallAttempts
from codex_transform.redaction import redact_key_text
from codex_transform.request import Transformed
from codex_transform.request.client_request import ClientRequest
from codex_transform.response.client_view import ClientView
from codex_transform.response.events_to_response import CollectedAnswer
from codex_transform.state.store import Store


@dataclass(slots=True)
class Call:
    """One request that is ours.

    `subpath` is the path below /responses ("" or e.g. "/compact"), `path` all of it, as the client sent it.
    `request` is the client's, once it has been read, and `original` its body, decoded; `endpoint` and `transformed` are
    set once it has been rewritten: all as long as the call lasts. `error` is what the client is told instead of an
    answer, if it is.
    `authorization` is the header value to send, which holds a key: until the request has been rewritten the
    client's own, if that is to be forwarded, then the endpoint's, and None again once the call is over.
    `idle_timeout` is how many seconds the endpoint may say nothing. `attempts` decides what happens when the
    endpoint refuses the request; None until that has been rewritten. `collected` is the answer for a client that
    does not stream, once it has been read. `owner` is who may refer to what is stored of it, `members` are set in
    its response, and `on_response` is called with that. `response_id` is set for a call that runs in the
    background. `tap`, if set, gets each piece of the stream. `connection_store` has the responses that were given over
    the same WebSocket. `said` is what the client's request said, as the answer repeats it.
    `person` is the name of whose key the call came with. `forwarded` is the client's own Authorization, if that is to
    be forwarded; `failed` is the final response of a call in the background that failed: it may be tried again.
    `answered_here` is set if the proxy has made the answer, which costs no tokens.

    The rest is known once the answer is over: how many `events` the endpoint sent, the `usage` that it reported, what
    was `repaired` by name, the unix time at which the model's `first_token` passed (None for a client that does not
    stream), and the `outcome`: `completed`, `incomplete`, `failed`, `error`, `cut`, or `left` when the client has.
    """

    subpath: str
    path: str = ""
    endpoint: Endpoint | None = None
    transformed: Transformed | None = None
    request: ClientRequest | None = field(default=None, repr=False)
    original: bytes | None = field(default=None, repr=False)
    said: dict[str, Any] = field(default_factory=dict, repr=False)
    error: ApiError | None = None
    authorization: str | None = field(default=None, repr=False)
    forwarded: str | None = field(default=None, repr=False)
    idle_timeout: float = float("inf")
    attempts: CallAttempts | None = None
    collected: CollectedAnswer | None = field(default=None, repr=False)
    owner: str = ""
    person: str | None = None
    members: dict[str, Any] = field(default_factory=dict)
    response_id: str | None = None
    connection_store: Store | None = field(default=None, repr=False)
    tap: Callable[[bytes], None] | None = field(default=None, repr=False)
    failed: dict[str, Any] | None = field(default=None, repr=False)
    answered_here: bool = False
    on_response: Callable[[dict[str, Any]], None] | None = field(default=None, repr=False)
    events: int = 0
    usage: dict[str, Any] | None = None
    repaired: list[str] = field(default_factory=list)
    first_token: float | None = None
    outcome: str | None = None

    def set_error(self, error: ApiError) -> None:
        """Set what the client is told instead of an answer, without the key that the endpoint may have quoted.

        What an exception remembers of where it was raised leads to the flow, and would keep it for ever: a mapping is
        weak only as long as no value leads to its key.
        """
        error.message = redact_key_text(error.message, self.key)
        error.__context__ = error.__cause__ = None
        self.error = error.with_traceback(None)

    def accepted(self) -> None:
        """Note that the endpoint has accepted the request: what it took to get there is remembered."""
        if self.attempts:
            self.attempts.learn()

    @property
    def key(self) -> str:
        """The key that the request is sent with; "" when there is none (yet, or any more)."""
        return (self.authorization or "").rpartition(" ")[2]

    def is_for(self, path: str) -> bool:
        """Return whether a path of the endpoint is the one that the call is for."""
        return self.endpoint is not None and path == self.endpoint.path + self.subpath

    @property
    def streaming(self) -> bool:
        """True when the client waits for server-sent events."""
        return self.transformed is not None and self.transformed.streaming

    @property
    def view(self) -> ClientView:
        """How the client sees its answer."""
        sent = self.transformed
        if sent is None:
            return ClientView()
        # One that does not stream is told only what its events add up to.
        on_response = self.on_response if self.streaming else None
        return ClientView(sent.resolved.asked, {**self.said, **self.members}, sent.client.is_codex, on_response)


_calls: WeakKeyDictionary[http.HTTPFlow, Call] = WeakKeyDictionary()
_inherited_keys: WeakKeyDictionary[http.HTTPFlow, str] = WeakKeyDictionary()


def inherit_key(flow: http.HTTPFlow, derived: http.HTTPFlow) -> None:
    """Have a request that is sent for a call go with the client's own key, if that is to be forwarded."""
    call = get_call(flow)
    if call and call.forwarded:
        _inherited_keys[derived] = call.forwarded


def inherited_key(flow: http.HTTPFlow) -> str | None:
    """Return the key that a request goes with for another one's sake, None for no such request."""
    return _inherited_keys.get(flow)


def start_call(flow: http.HTTPFlow, subpath: str, owner: str = "") -> Call:
    """Mark a flow as ours."""
    call = _calls[flow] = Call(subpath, flow.request.path, owner=owner)
    return call


def forget_call(flow: http.HTTPFlow) -> None:
    """Make a flow one that is not ours."""
    _calls.pop(flow, None)


def get_call(flow: http.HTTPFlow) -> Call | None:
    """Return the call that a flow carries, None if the flow is not ours."""
    return _calls.get(flow)
