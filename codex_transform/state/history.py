"""Put in front of a request what it refers to: earlier responses, a conversation, items by their ids.

A request that refers to something that is not stored is refused: an answer without its history would look like one
with it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import describe_type
from codex_transform.request.client_request import as_items
from codex_transform.request.input_items import message
from codex_transform.request.raw_items import NO_ID
from codex_transform.request.raw_items import Item as RawItem
from codex_transform.state.conversations import Conversations
from codex_transform.state.responses import WHY_NOT_FOUND, Item, Responses, StoredResponse, iterate, previous_not_found

MAX_CHAIN = 1000
"""Responses that one may build on."""


class References(NamedTuple):
    """What a request refers to, by id; `root` is the first response of the chain, which stands for the conversation."""

    previous: str | None = None
    conversation: str | None = None
    root: str | None = None


def refers(body: dict[str, Any]) -> str | None:
    """Return the field by which a body refers to something stored, None if it refers to nothing."""
    for name in ("previous_response_id", "conversation"):
        if body.get(name) is not None:
            return name
    return next((f"input[{index}]" for index, item in _with_id(body) if _is_reference(item)), None)


def input_ids(body: dict[str, Any]) -> list[str]:
    """Return the ids of the items that a body itself holds."""
    return [item.id for _, item in _with_id(body) if isinstance(item.id, str) and not _is_reference(item)]


def resolve(body: dict[str, Any], responses: Responses, conversations: Conversations) -> References:
    """Put the history in front of the input of `body`, in place, and remove what referred to it.

    Raises ApiError: 404 for what is not stored, 400 for a previous response that is not, and for
    what contradicts itself.
    """
    previous, conversation = body.pop("previous_response_id", None), _conversation_id(body.pop("conversation", None))
    if previous is not None and not isinstance(previous, str):
        raise bad_request(
            f"`previous_response_id` must be a string, not {describe_type(previous)}", "previous_response_id"
        )
    if previous is not None and conversation is not None:
        raise bad_request("`previous_response_id` and `conversation` exclude each other: send one", "conversation")
    history: list[Item] = []
    root = None
    if previous is not None:
        history, root = _chain(_previous(previous, responses), responses, conversations)
    elif conversation is not None:
        history, root = conversations.items(conversation), conversation
    items = body.get("input")
    if isinstance(items, list):
        items = [dereference(item, index, responses) for index, item in enumerate(items)]
        body["input"] = as_items(items)
    if history:
        own = [message("user", items)] if isinstance(items, str) else items
        if isinstance(own, list):
            body["input"] = as_items([*(item for item in history if _is_usable(item)), *own])
    return References(previous, conversation, root)


def _with_id(body: dict[str, Any]) -> Iterator[tuple[int, RawItem]]:
    """Yield the items of a body that have an id, and their places."""
    items = body.get("input")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if type(item) is RawItem and item.id is not NO_ID:
            yield index, item


def _previous(response_id: str, responses: Responses) -> StoredResponse:
    stored = responses.find(response_id)
    if stored is None:
        raise previous_not_found(f"Previous response with id '{response_id}'")
    if stored.response.get("status") in ("queued", "in_progress"):
        raise bad_request(f"the response '{response_id}' is not complete yet: wait until it is", "previous_response_id")
    return stored


def _chain(last: StoredResponse, responses: Responses, conversations: Conversations) -> tuple[list[Item], str]:
    """Return the items up to and with a response, and what the chain begins with."""
    turns: list[list[Item]] = []
    root = last.id
    for stored in iterate(responses, last, MAX_CHAIN):
        root = stored.id
        if stored.conversation is not None:
            # What the conversation holds by now: the response is a part of that.
            turns.append(conversations.items(stored.conversation))
            root = stored.conversation
            break
        own = [dereference(item, index, responses) for index, item in enumerate(stored.input)]
        turns.append([*own, *stored.output])
    return [item for turn in reversed(turns) for item in turn], root


def _conversation_id(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("id")
        if value is None:
            raise bad_request("`conversation.id` is missing", "conversation.id")
    if value is not None and not isinstance(value, str):
        raise bad_request(f"`conversation` must be an id, not {describe_type(value)}", "conversation")
    return value


def _is_reference(item: Any) -> bool:
    """Return whether an item is a reference: one with that type, or an id alone (API reference, "Item reference")."""
    if not isinstance(item, Mapping) or not isinstance(item.get("id"), str):
        return False
    kind = item.get("type")
    return kind == "item_reference" or (kind is None and item.get("role") is None and item.keys() <= {"id", "type"})


def dereference(item: Any, index: int, responses: Responses) -> Any:
    """Return the item that a reference at `index` of an input stands for; any other item as it is.

    Raises ApiError 404.
    """
    if not _is_reference(item):
        return item
    found = responses.item(item["id"])
    if found is None:
        raise ApiError(
            404,
            f"Item with id '{item['id']}' (`input[{index}]`) not found. {WHY_NOT_FOUND} Send the item itself.",
            type="invalid_request_error",
            param=f"input[{index}]",
        )
    return found


def item_or_reference(item: Item, responses: Responses) -> Item:
    """Return the item that a reference stands for, the reference itself if that is not stored (any more)."""
    return (responses.item(item["id"]) or item) if _is_reference(item) else item


def _is_usable(item: Item) -> bool:
    """Return whether an endpoint can do something with it: reasoning that is not encrypted is lost."""
    return item.get("type") != "reasoning" or bool(item.get("encrypted_content"))
