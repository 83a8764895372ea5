"""Stored responses: each with the request that it answers and what came before it.

Strategy: a response is stored as the client saw it, beside the client's own request as it came, in one value. Nothing
of a long conversation is copied from turn to turn, because each response names the one before it. Everything belongs to
an owner, who is known by the key that the client sent: nobody else can read it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import dumps, loads_object
from codex_transform.request.input_items import message
from codex_transform.state.ids import input_item_id, input_item_place
from codex_transform.state.store import Store, store_key

Item = dict[str, Any]

_AMBIGUOUS = b"*"

PREVIOUS_NOT_FOUND = "previous_response_not_found"
"""The error code for a `previous_response_id` that is not stored."""


def owner_of(authorization: str) -> str:
    """Return what stands for the client that sends this Authorization, "" for one that sends none."""
    return sha256(b"codex-transform\0" + authorization.encode("utf-8", "surrogateescape")).hexdigest()[:32]


@dataclass(frozen=True)
class StoredResponse:
    """A response and its request; `previous` is the id of the response before it, `conversation` the one it is part of.

    `request` is the client's body.
    """

    response: dict[str, Any]
    request: bytes
    previous: str | None = None
    conversation: str | None = None

    @property
    def id(self) -> str:
        """The response's id."""
        return str(self.response["id"])

    @property
    def output(self) -> list[Item]:
        """The items that the model made."""
        return _items(self.response.get("output"))

    @cached_property
    def input(self) -> list[Item]:
        """The items that the client sent with this request, each with an id. Raises ApiError 500 if it is damaged."""
        body = loads_object(self.request)
        if body is None:
            problem = f"the request behind the stored response '{self.id}' cannot be read"
            raise ApiError(500, f"{problem}: send the whole conversation as `input`")
        given = body.get("input")
        items = [message("user", given)] if isinstance(given, str) else _items(given)
        return [
            item if isinstance(item.get("id"), str) else {**item, "id": input_item_id(self.id, index, _kind(item))}
            for index, item in enumerate(items)
        ]

    def encode(self) -> bytes:
        """Return it as bytes: a line of JSON, then the request."""
        head = {"response": self.response, "previous": self.previous, "conversation": self.conversation}
        return dumps(head) + b"\n" + self.request


def decode_response(value: bytes) -> StoredResponse:
    """Return what `StoredResponse.encode` wrote."""
    head, _, request = value.partition(b"\n")
    members = loads_object(head) or {}
    return StoredResponse(members["response"], request, members["previous"], members["conversation"])


class Responses:
    """The stored responses of one owner."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store, self._owner = store, owner

    def put(self, stored: StoredResponse, input_ids: Iterable[str] = ()) -> None:
        """Store a response; from then on its items can be referred to, and those of its request with these ids."""
        self._store.put(self._key("response", stored.id), stored.encode())
        for item in stored.output:
            if isinstance(item.get("id"), str):
                self._index(item["id"], stored.id, sha256(dumps(item)).hexdigest()[:16])
        for item_id in input_ids:
            if self._store.get(self._key("item", item_id)) is None:
                self._index(item_id, stored.id, "")

    def find(self, response_id: str) -> StoredResponse | None:
        """Return a response, None if it is not stored (any more)."""
        value = self._store.get(self._key("response", response_id))
        return decode_response(value) if value else None

    def get(self, response_id: str) -> StoredResponse:
        """Return a response. Raises ApiError 404."""
        stored = self.find(response_id)
        if stored is None:
            raise not_found("Response", response_id)
        return stored

    def delete(self, response_id: str) -> None:
        """Delete a response. Raises ApiError 404."""
        stored = self.get(response_id)
        for item in stored.output:
            if isinstance(item.get("id"), str):
                self._store.delete(self._key("item", item["id"]))
        self._store.delete(self._key("events", response_id))
        self._store.delete(self._key("response", response_id))

    def item(self, item_id: str) -> Item | None:
        """Return an item of a stored response by its id; None if there is none, or if the id stands for several."""
        if place := input_item_place(item_id):
            stored = self.find(place[0])
            return stored.input[place[1]] if stored and place[1] < len(stored.input) else None
        where = self._store.get(self._key("item", item_id))
        if where is None or where == _AMBIGUOUS:
            return None
        stored = self.find(where.decode().partition(" ")[0])
        items = (*stored.output, *stored.input) if stored else ()
        return next((item for item in items if item.get("id") == item_id and _kind(item) != "item_reference"), None)

    def put_events(self, response_id: str, events: bytes) -> None:
        """Store the event stream of a response, so that a client can read it again."""
        self._store.put(self._key("events", response_id), events)

    def events(self, response_id: str) -> bytes | None:
        """Return the event stream of a response, None if it was not stored."""
        return self._store.get(self._key("events", response_id))

    def _index(self, item_id: str, response_id: str, digest: str) -> None:
        """Note where an item is. Some relays give the same id to many: such an id stands for none of them."""
        key = self._key("item", item_id)
        before = self._store.get(key)
        if before is not None and (before == _AMBIGUOUS or before.decode().partition(" ")[2] != digest):
            self._store.put(key, _AMBIGUOUS)
        else:
            self._store.put(key, f"{response_id} {digest}".encode())

    def _key(self, kind: str, name: str) -> str:
        return store_key(self._owner, kind, name)


def previous_not_found(which: str) -> ApiError:
    """Return the error about a response that a request goes on from: OpenAI's API answers 400 then, and not 404.

    Clients that have the history themselves, such as agno, send it again after that.
    """
    return bad_request(f"{which} not found. {WHY_NOT_FOUND}", "previous_response_id", PREVIOUS_NOT_FOUND)


def not_found(what: str, object_id: str) -> ApiError:
    """Return the error for an object that is not stored."""
    return ApiError(404, f"{what} with id '{object_id}' not found. {WHY_NOT_FOUND}", type="invalid_request_error")


WHY_NOT_FOUND = (
    "It was never stored here, has aged out, belongs to another key, or the proxy has been restarted"
    " (codex_state=disk keeps what is stored)."
)
"""Why an object may be missing."""


def _items(value: Any) -> list[Item]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _kind(item: Item) -> str:
    return str(item.get("type", "message"))


def iterate(responses: Responses, last: StoredResponse, limit: int) -> Iterator[StoredResponse]:
    """Yield a response and those before it, the newest first. Raises ApiError for one that is missing, or too many."""
    stored: StoredResponse | None = last
    count = 0
    while stored:
        count += 1
        if count > limit:
            raise ApiError(
                400,
                f"the conversation behind `previous_response_id` has more than {limit:,} responses: begin a new one"
                " with a summary as its input",
                param="previous_response_id",
            )
        yield stored
        if stored.previous is None:
            return
        found = responses.find(stored.previous)
        if found is None:
            raise previous_not_found(f"Previous response with id '{stored.previous}', behind '{last.id}',")
        stored = found
