"""Conversations: a list of items that requests read and append to (API reference, "Conversations")."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import describe_type, dumps, loads_object
from codex_transform.request.input_items import message
from codex_transform.state.ids import new_id
from codex_transform.state.responses import Item, not_found
from codex_transform.state.store import Store, store_key

MAX_ITEMS = 20
"""Items that one request may add, as the API has it."""

_MAX_ROUNDS = 100
"""How often a change is made again if other processes keep changing the same conversation."""


class Conversations:
    """The conversations of one owner."""

    def __init__(self, store: Store, owner: str) -> None:
        self._store, self._owner = store, owner

    def create(self, items: Any = None, metadata: Any = None) -> dict[str, Any]:
        """Store a new conversation and return the object for the client. Raises ApiError 400."""
        conversation: dict[str, Any] = {
            "id": new_id("conv"),
            "created_at": int(time.time()),
            "metadata": _metadata(metadata),
            "items": _new_items(items, "items"),
        }
        self._store.put(self._key(conversation["id"]), dumps(conversation))
        return _shown(conversation)

    def get(self, conversation_id: str) -> dict[str, Any]:
        """Return the object for the client. Raises ApiError 404."""
        return _shown(self._get(conversation_id))

    def update(self, conversation_id: str, metadata: Any) -> dict[str, Any]:
        """Set the metadata. Raises ApiError 404 or 400."""
        return _shown(self._change(conversation_id, lambda _: {"metadata": _metadata(metadata)}))

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation. Raises ApiError 404."""
        self._get(conversation_id)
        self._store.delete(self._key(conversation_id))

    def items(self, conversation_id: str) -> list[Item]:
        """Return the items, the oldest first. Raises ApiError 404."""
        items: list[Item] = self._get(conversation_id)["items"]
        return items

    def add(self, conversation_id: str, items: Any) -> list[Item]:
        """Append items of the client's, and return them with their ids. Raises ApiError 404 or 400."""
        self._get(conversation_id)
        added = _new_items(items, "items")
        self._change(conversation_id, lambda before: {"items": [*before["items"], *added]})
        return added

    def append(self, conversation_id: str, items: Iterable[Item]) -> None:
        """Append the items of a call; a conversation that has been deleted meanwhile stays so."""
        added = [_with_id(item) for item in items]
        try:
            self._change(conversation_id, lambda before: {"items": [*before["items"], *added]})
        except ApiError as error:
            if error.status != 404:
                raise

    def remove(self, conversation_id: str, item_id: str) -> dict[str, Any]:
        """Remove an item, and return the conversation for the client. Raises ApiError 404."""

        def without(before: dict[str, Any]) -> dict[str, Any]:
            kept = [item for item in before["items"] if item["id"] != item_id]
            if len(kept) == len(before["items"]):
                raise not_found("Item", item_id)
            return {"items": kept}

        return _shown(self._change(conversation_id, without))

    def _get(self, conversation_id: str) -> dict[str, Any]:
        return self._read(conversation_id)[1]

    def _read(self, conversation_id: str) -> tuple[bytes, dict[str, Any]]:
        """Return a conversation as it is stored, and decoded. Raises ApiError 404."""
        value = self._store.get(self._key(conversation_id))
        conversation = loads_object(value) if value else None
        if value is None or conversation is None:
            raise not_found("Conversation", conversation_id)
        return value, conversation

    def _change(self, conversation_id: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
        """Set the members that `change` returns, and return the conversation. Raises ApiError 404, and what it raises.

        If another proxy changes the conversation at the same time, neither change is lost.
        """
        for _ in range(_MAX_ROUNDS):
            value, conversation = self._read(conversation_id)
            conversation.update(change(conversation))
            if self._store.replace(self._key(conversation_id), value, dumps(conversation)):
                return conversation
        raise ApiError(
            409, f"other requests keep changing the conversation {conversation_id}: send it again", retry_after=1
        )

    def _key(self, conversation_id: str) -> str:
        return store_key(self._owner, "conversation", conversation_id)


def _shown(conversation: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": conversation["id"],
        "object": "conversation",
        "created_at": conversation["created_at"],
        "metadata": conversation["metadata"],
    }


def _metadata(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad_request(f"`metadata` must be an object, not {describe_type(value)}", "metadata")
    return value


def _new_items(value: Any, field: str) -> list[Item]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad_request(f"`{field}` must be a list of items, not {describe_type(value)}", field)
    if len(value) > MAX_ITEMS:
        raise bad_request(f"`{field}` has {len(value)} items: at most {MAX_ITEMS} can be added at a time", field)
    for index, item in enumerate(value):
        if not isinstance(item, dict):
            raise bad_request(f"`{field}[{index}]` must be an object, not {describe_type(item)}", f"{field}[{index}]")
    return [_with_id(_full_form(item)) for item in value]


def _full_form(item: Item) -> Item:
    """Return an item as the API lists it: a message of text has parts."""
    if isinstance(item.get("content"), str) and isinstance(item.get("role"), str):
        return {**item, **message(item["role"], item["content"])}
    return {"type": "message", **item} if "role" in item else item


def _with_id(item: Item) -> Item:
    if isinstance(item.get("id"), str):
        return item
    return {**item, "id": new_id("msg" if item.get("type") == "message" else "item"), "status": "completed"}
