"""The paths of the API that are answered from what is stored.

Strategy: a table of method and path leads to a function that returns the JSON object for the client. None of them does
more than read and write the store; what is running is not their concern (see `proxy/addons/background_responses.py`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from codex_transform.errors import ApiError, bad_request
from codex_transform.state.conversations import Conversations
from codex_transform.state.history import dereference
from codex_transform.state.responses import Item, Responses, not_found

_MAX_PAGE, _PAGE = 100, 20


@dataclass(frozen=True, slots=True)
class Query:
    """A request for something stored; `ids` are those in its path, `body` is {} if there is none."""

    responses: Responses
    conversations: Conversations
    ids: tuple[str, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


def route(method: str, path: str) -> tuple[Callable[[Query], dict[str, Any]], tuple[str, ...]] | None:
    """Return the function for a path of the API, such as `/responses/resp_1`, and the ids in it; None for any other.

    Raises ApiError 405 for a path that has other methods.
    """
    allowed: list[str] = []
    for each, pattern, function in _ROUTES:
        if match := pattern.fullmatch(path):
            if each == method:
                return function, match.groups()
            allowed.append(each)
    if allowed:
        raise ApiError(405, f"{method} {path}: this path takes {', '.join(allowed)}")
    return None


def page(items: list[Item], parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of a list, by `limit`, `order` and `after`. Raises ApiError 400 or 404."""
    limit = parameters.get("limit", str(_PAGE))
    if not re.fullmatch(r"\d{1,3}", limit) or not 1 <= int(limit) <= _MAX_PAGE:
        raise bad_request(f"`limit` is {limit!r}: it must be a number from 1 to {_MAX_PAGE}", "limit")
    order = parameters.get("order", "desc")
    if order not in ("asc", "desc"):
        raise bad_request(f"`order` is {order!r}: it must be asc or desc", "order")
    ordered = items if order == "asc" else items[::-1]
    if after := parameters.get("after"):
        index = next((index for index, item in enumerate(ordered) if item["id"] == after), None)
        if index is None:
            raise not_found("Item", after)
        ordered = ordered[index + 1 :]
    shown = ordered[: int(limit)]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(ordered) > len(shown),
    }


def get_response(query: Query) -> dict[str, Any]:
    """Return a stored response. Raises ApiError 404."""
    return query.responses.get(*query.ids).response


def _delete_response(query: Query) -> dict[str, Any]:
    query.responses.delete(*query.ids)
    return {"id": query.ids[0], "object": "response", "deleted": True}


def cancel_response(query: Query) -> dict[str, Any]:
    """Return a response of the background, which by now has been cancelled or is over. Raises ApiError 404 or 400."""
    response = query.responses.get(*query.ids).response
    if not response.get("background"):
        raise bad_request("only a response that was created with `background: true` can be cancelled", "background")
    return response


def _input_items(query: Query) -> dict[str, Any]:
    stored = query.responses.get(*query.ids)
    items = [dereference(item, index, query.responses) for index, item in enumerate(stored.input)]
    return page(items, query.parameters)


def _create_conversation(query: Query) -> dict[str, Any]:
    return query.conversations.create(_dereferenced(query.body.get("items"), query), query.body.get("metadata"))


def _dereferenced(items: Any, query: Query) -> Any:
    """Return items with what their references stand for. Raises ApiError 404."""
    if not isinstance(items, list):
        return items
    return [dereference(item, index, query.responses) for index, item in enumerate(items)]


def _get_conversation(query: Query) -> dict[str, Any]:
    return query.conversations.get(*query.ids)


def _update_conversation(query: Query) -> dict[str, Any]:
    return query.conversations.update(query.ids[0], query.body.get("metadata"))


def _delete_conversation(query: Query) -> dict[str, Any]:
    query.conversations.delete(*query.ids)
    return {"id": query.ids[0], "object": "conversation.deleted", "deleted": True}


def _list_items(query: Query) -> dict[str, Any]:
    return page(query.conversations.items(*query.ids), query.parameters)


def _add_items(query: Query) -> dict[str, Any]:
    if "items" not in query.body:
        raise bad_request("`items` is missing: it must be a list of items", "items")
    added = query.conversations.add(query.ids[0], _dereferenced(query.body["items"], query))
    return page(added, {"order": "asc", "limit": str(_MAX_PAGE)})


def _get_item(query: Query) -> dict[str, Any]:
    conversation, item_id = query.ids
    found = next((item for item in query.conversations.items(conversation) if item["id"] == item_id), None)
    if found is None:
        raise not_found("Item", item_id)
    return found


def _delete_item(query: Query) -> dict[str, Any]:
    return query.conversations.remove(*query.ids)


_ID = r"([A-Za-z0-9_-]{1,200})"
_RESERVED = r"(?!(?:compact|input_tokens)$)"


def _path(text: str) -> re.Pattern[str]:
    return re.compile(text.replace("{id}", _ID))


_ROUTES: tuple[tuple[str, re.Pattern[str], Callable[[Query], dict[str, Any]]], ...] = (
    ("GET", _path(f"/responses/{_RESERVED}{{id}}"), get_response),
    ("DELETE", _path(f"/responses/{_RESERVED}{{id}}"), _delete_response),
    ("POST", _path("/responses/{id}/cancel"), cancel_response),
    ("GET", _path("/responses/{id}/input_items"), _input_items),
    ("POST", _path("/conversations"), _create_conversation),
    ("GET", _path("/conversations/{id}"), _get_conversation),
    ("POST", _path("/conversations/{id}"), _update_conversation),
    ("DELETE", _path("/conversations/{id}"), _delete_conversation),
    ("GET", _path("/conversations/{id}/items"), _list_items),
    ("POST", _path("/conversations/{id}/items"), _add_items),
    ("GET", _path("/conversations/{id}/items/{id}"), _get_item),
    ("DELETE", _path("/conversations/{id}/items/{id}"), _delete_item),
)
