"""What a request refers to is put in front of it, or the request is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps
from codex_transform.request.client_request import read_request
from codex_transform.state.conversations import Conversations
from codex_transform.state.history import MAX_CHAIN, References, input_ids, refers, resolve
from codex_transform.state.ids import new_id
from codex_transform.state.responses import Responses, StoredResponse, owner_of
from codex_transform.state.store import MemoryStore

Item = dict[str, Any]


def said(role: str, text: str, **more: Any) -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **more}


class World:
    """A store with two owners."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.responses = Responses(self.store, owner_of("Bearer a"))
        self.conversations = Conversations(self.store, owner_of("Bearer a"))
        self.others = Responses(self.store, owner_of("Bearer b"))

    def answered(self, body: Item, *output: Item, previous: str | None = None, conversation: str | None = None) -> str:
        """Stores the response to a request; its id."""
        response = {"id": new_id("resp"), "status": "completed", "output": list(output)}
        request = read_request(dumps(body))
        self.responses.put(StoredResponse(response, request.content, previous, conversation), input_ids(request.body))
        return str(response["id"])

    def resolved(self, **body: Any) -> tuple[Any, References]:
        body = read_request(dumps(body)).body
        references = resolve(body, self.responses, self.conversations)
        assert refers(body) is None
        return body["input"], references


@pytest.fixture
def world() -> World:
    return World()


def test_a_chain_is_put_in_front(world: World) -> None:
    first = world.answered({"input": "one"}, said("assistant", "1", id="msg_1"))
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    second = world.answered({"input": [said("user", "two")]}, call, previous=first)
    output = {"type": "function_call_output", "call_id": "c", "output": "done"}
    items, references = world.resolved(input=[output], previous_response_id=second)
    texts = [item["content"][0]["text"] if "content" in item else item["type"] for item in items]
    assert texts == ["one", "1", "two", "function_call", "function_call_output"]
    assert references == References(previous=second, root=first)


def test_a_string_comes_behind_its_history(world: World) -> None:
    first = world.answered({"input": "one"}, said("assistant", "1"))
    items, _ = world.resolved(input="two", previous_response_id=first)
    assert [item["content"][0]["text"] for item in items] == ["one", "1", "two"]


def test_reasoning_keeps_its_encrypted_content_and_without_it_goes(world: World) -> None:
    kept = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
    first = world.answered({"input": "one"}, kept, {"type": "reasoning", "id": "rs_2", "summary": []})
    items, _ = world.resolved(input="two", previous_response_id=first)
    assert [item for item in items if item["type"] == "reasoning"] == [kept]


def test_items_are_found_by_their_ids(world: World) -> None:
    answer = said("assistant", "1", id="msg_1")
    mine = said("user", "one", id="msg_mine")
    first = world.answered({"input": [mine]}, answer)
    listed = world.responses.get(first).input[0]
    unnamed = world.answered({"input": "two"})
    by_place = world.responses.get(unnamed).input[0]
    items, _ = world.resolved(
        input=[
            {"type": "item_reference", "id": "msg_mine"},
            {"id": "msg_1"},
            {"type": "item_reference", "id": by_place["id"]},
            said("user", "three"),
        ]
    )
    assert items == [listed, answer, by_place, said("user", "three")]


def test_a_reference_within_a_stored_request_is_followed(world: World) -> None:
    world.answered({"input": "one"}, said("assistant", "1", id="msg_1"))
    second = world.answered({"input": [{"type": "item_reference", "id": "msg_1"}]}, said("assistant", "2"))
    items, _ = world.resolved(input="three", previous_response_id=second)
    assert [item["content"][0]["text"] for item in items] == ["1", "2", "three"]


def test_an_id_that_stands_for_two_items_stands_for_none(world: World) -> None:
    world.answered({"input": "one"}, said("assistant", "1", id="msg_0"))
    world.answered({"input": "two"}, said("assistant", "2", id="msg_0"))
    with pytest.raises(ApiError, match="msg_0") as caught:
        world.resolved(input=[{"type": "item_reference", "id": "msg_0"}])
    assert caught.value.status == 404


def test_a_conversation_is_put_in_front(world: World) -> None:
    conversation = world.conversations.create([{"role": "user", "content": "zero"}])["id"]
    world.conversations.append(conversation, [said("assistant", "0")])
    items, references = world.resolved(input="one", conversation={"id": conversation})
    assert [item["content"][0]["text"] for item in items] == ["zero", "0", "one"]
    assert references == References(conversation=conversation, root=conversation)
    inside = world.answered({"input": "one"}, conversation=conversation)
    items, _ = world.resolved(input="two", previous_response_id=inside)
    assert [item["content"][0]["text"] for item in items] == ["zero", "0", "two"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"previous_response_id": "resp_x"}, 400, "resp_x"),
        ({"previous_response_id": 5}, 400, "previous_response_id"),
        ({"previous_response_id": "resp_x", "conversation": "conv_x"}, 400, "exclude"),
        ({"conversation": "conv_x"}, 404, "conv_x"),
        ({"conversation": {}}, 400, "conversation.id"),
        ({"conversation": 7}, 400, "conversation"),
        ({"input": [{"type": "item_reference", "id": "msg_x"}]}, 404, r"input\[0\]"),
        ({"input": [{"type": "item_reference", "id": f"msg_{'0' * 32}_0"}]}, 404, "not found"),
    ],
)
def test_what_is_not_stored_is_refused(world: World, body: Item, status: int, words: str) -> None:
    assert refers(read_request(dumps(body)).body)
    with pytest.raises(ApiError, match=words) as caught:
        world.resolved(**{"input": "hi", **body})
    assert caught.value.status == status


def test_the_code_of_an_unknown_response(world: World) -> None:
    with pytest.raises(ApiError) as caught:
        world.resolved(input="hi", previous_response_id="resp_x")
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


def test_nobody_reads_what_is_another_keys(world: World) -> None:
    first = world.answered({"input": "one"}, said("assistant", "1", id="msg_1"))
    assert world.others.find(first) is None
    assert world.others.item("msg_1") is None
    with pytest.raises(ApiError, match="not found"):
        resolve({"input": "x", "previous_response_id": first}, world.others, world.conversations)


def test_a_gap_in_the_chain_is_refused(world: World) -> None:
    first = world.answered({"input": "one"})
    second = world.answered({"input": "two"}, previous=first)
    world.responses.delete(first)
    with pytest.raises(ApiError, match=first) as caught:
        world.resolved(input="three", previous_response_id=second)
    assert (caught.value.status, caught.value.code) == (400, "previous_response_not_found")


def test_a_stored_request_that_cannot_be_read_is_not_left_out(world: World) -> None:
    """Such as one that holds a number of thousands of digits, which is passed on unread."""
    response = {"id": new_id("resp"), "status": "completed", "output": []}
    world.responses.put(StoredResponse(response, b'{"input": [{"role": "user", "content": [%b]}]}' % (b"9" * 5000)))
    with pytest.raises(ApiError, match=f"behind the stored response '{response['id']}'"):
        world.resolved(input="y", previous_response_id=response["id"])


def test_a_chain_has_an_end(world: World) -> None:
    last = None
    for _ in range(MAX_CHAIN):
        last = world.answered({"input": "x"}, previous=last)
    items, _ = world.resolved(input="y", previous_response_id=last)
    assert len(items) == MAX_CHAIN + 1
    last = world.answered({"input": "x"}, previous=last)
    with pytest.raises(ApiError, match="1,000 responses"):
        world.resolved(input="y", previous_response_id=last)


def test_a_response_that_is_still_running_is_not_built_on(world: World) -> None:
    response = {"id": new_id("resp"), "status": "in_progress", "output": []}
    world.responses.put(StoredResponse(response, b'{"input":"x"}'))
    with pytest.raises(ApiError, match="not complete"):
        world.resolved(input="y", previous_response_id=response["id"])


turns = st.lists(st.tuples(st.text(min_size=1, max_size=5), st.lists(st.text(max_size=5), max_size=3)), max_size=6)


@given(turns, st.booleans())
def test_a_chain_is_the_whole_conversation(turns: list[tuple[str, list[str]]], as_list: bool) -> None:
    """However a client sends it: by chaining or as a whole."""
    world, last, expected = World(), None, list[str]()
    for asked, answers in turns:
        body: Item = {"input": [said("user", asked)] if as_list else asked}
        last = world.answered(body, *(said("assistant", text) for text in answers), previous=last)
        expected += [asked, *answers]
    items, _ = world.resolved(input="end", **({"previous_response_id": last} if last else {}))
    if last is None:
        assert items == "end"
    else:
        assert [item["content"][0]["text"] for item in items] == [*expected, "end"]
