"""Paths that are served from stored responses and conversations."""

from typing import Any

import pytest

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps
from codex_transform.state.api import Query, page, route
from codex_transform.state.conversations import Conversations
from codex_transform.state.responses import Responses, StoredResponse
from codex_transform.state.store import MemoryStore


@pytest.fixture
def call_api() -> Any:
    store = MemoryStore()
    responses, conversations = Responses(store, "o"), Conversations(store, "o")

    def go(method: str, path: str, body: Any = None, **parameters: str) -> Any:
        found = route(method, path)
        assert found
        function, ids = found
        return function(Query(responses, conversations, ids, parameters, body or {}))

    go.responses = responses  # type: ignore[attr-defined]
    return go


def stored(response_id: str, items: int = 3, **more: Any) -> StoredResponse:
    body = {"input": [{"role": "user", "content": str(number)} for number in range(items)]}
    return StoredResponse({"id": response_id, "object": "response", "output": [], **more}, dumps(body))


def test_a_response_is_read_and_deleted(call_api: Any) -> None:
    call_api.responses.put(stored("resp_1"))
    assert call_api("GET", "/responses/resp_1")["id"] == "resp_1"
    assert call_api("DELETE", "/responses/resp_1") == {"id": "resp_1", "object": "response", "deleted": True}
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        with pytest.raises(ApiError, match="resp_1") as caught:
            call_api(method, f"/responses/resp_1{path}")
        assert caught.value.status == 404


def test_input_items_come_in_pages(call_api: Any) -> None:
    call_api.responses.put(stored("resp_1", 5))
    first = call_api("GET", "/responses/resp_1/input_items", limit="2", order="asc")
    assert [item["content"] for item in first["data"]] == ["0", "1"]
    assert first["has_more"]
    rest = call_api("GET", "/responses/resp_1/input_items", order="asc", after=first["last_id"])
    assert [item["content"] for item in rest["data"]] == ["2", "3", "4"]
    assert not rest["has_more"]
    newest = call_api("GET", "/responses/resp_1/input_items")
    assert [item["content"] for item in newest["data"]] == ["4", "3", "2", "1", "0"]
    assert newest["first_id"] == rest["last_id"]


@pytest.mark.parametrize(
    ("parameters", "field"), [({"limit": "0"}, "limit"), ({"limit": "x"}, "limit"), ({"order": "up"}, "order")]
)
def test_invalid_page_parameters(parameters: dict[str, str], field: str) -> None:
    with pytest.raises(ApiError, match=field) as caught:
        page([], parameters)
    assert (caught.value.status, caught.value.param) == (400, field)


def test_only_background_responses_can_be_cancelled(call_api: Any) -> None:
    call_api.responses.put(stored("resp_1"))
    with pytest.raises(ApiError, match="background"):
        call_api("POST", "/responses/resp_1/cancel")
    call_api.responses.put(stored("resp_2", background=True, status="completed"))
    assert call_api("POST", "/responses/resp_2/cancel")["status"] == "completed"


def test_a_conversation_is_created_changed_and_deleted(call_api: Any) -> None:
    created = call_api("POST", "/conversations", {"items": [{"role": "user", "content": "hi"}], "metadata": {"a": "b"}})
    path = f"/conversations/{created['id']}"
    assert created == {**created, "object": "conversation", "metadata": {"a": "b"}}
    assert call_api("GET", path) == created
    assert call_api("POST", path, {"metadata": {"c": "d"}})["metadata"] == {"c": "d"}
    added = call_api(
        "POST", f"{path}/items", {"items": [{"role": "user", "content": "two"}, {"type": "x", "id": "x_1"}]}
    )
    assert [item["type"] for item in added["data"]] == ["message", "x"]
    listed = call_api("GET", f"{path}/items", order="asc")["data"]
    assert [item["type"] for item in listed] == ["message", "message", "x"]
    assert listed[0]["content"] == [{"type": "input_text", "text": "hi"}]
    item = listed[1]["id"]
    assert call_api("GET", f"{path}/items/{item}") == listed[1]
    assert call_api("DELETE", f"{path}/items/{item}")["id"] == created["id"]
    with pytest.raises(ApiError, match=item):
        call_api("GET", f"{path}/items/{item}")
    assert call_api("DELETE", path) == {"id": created["id"], "object": "conversation.deleted", "deleted": True}
    with pytest.raises(ApiError, match=created["id"]):
        call_api("GET", path)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"items": 1}, "items"),
        ({"items": [1]}, r"items\[0\]"),
        ({"items": [{}] * 21}, "at most 20"),
        ({"metadata": "x"}, "metadata"),
    ],
)
def test_an_invalid_conversation_is_refused(call_api: Any, body: Any, field: str) -> None:
    with pytest.raises(ApiError, match=field):
        call_api("POST", "/conversations", body)


def test_other_paths_are_not_routed_and_other_methods_refused() -> None:
    assert route("POST", "/responses") is None
    assert route("GET", "/files") is None
    assert route("POST", "/responses/compact") is None
    with pytest.raises(ApiError, match="takes GET, DELETE") as caught:
        route("PUT", "/responses/resp_1")
    assert caught.value.status == 405
