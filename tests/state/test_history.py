"""What a request refers to is put before its input, or the request is refused."""

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


def message(role: str, text: str, **more: Any) -> Item:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}], **more}


class TwoOwners:
    """A store that two owners share."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.responses = Responses(self.store, owner_of("Bearer a"))
        self.conversations = Conversations(self.store, owner_of("Bearer a"))
        self.others = Responses(self.store, owner_of("Bearer b"))

    def store_response(
        self, body: Item, *output: Item, previous: str | None = None, conversation: str | None = None
    ) -> str:
        """Stores the response to a request, and returns its id."""
        response = {"id": new_id("resp"), "status": "completed", "output": list(output)}
        request = read_request(dumps(body))
        self.responses.put(StoredResponse(response, request.content, previous, conversation), input_ids(request.body))
        return str(response["id"])

    def resolve(self, **body: Any) -> tuple[Any, References]:
        body = read_request(dumps(body)).body
        references = resolve(body, self.responses, self.conversations)
        assert refers(body) is None
        return body["input"], references


@pytest.fixture
def owners() -> TwoOwners:
    return TwoOwners()


def test_a_chain_of_responses_comes_before_the_input(owners: TwoOwners) -> None:
    first = owners.store_response({"input": "one"}, message("assistant", "1", id="msg_1"))
    call = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    second = owners.store_response({"input": [message("user", "two")]}, call, previous=first)
    output = {"type": "function_call_output", "call_id": "c", "output": "done"}
    items, references = owners.resolve(input=[output], previous_response_id=second)
    texts = [item["content"][0]["text"] if "content" in item else item["type"] for item in items]
    assert texts == ["one", "1", "two", "function_call", "function_call_output"]
    assert references == References(previous=second, root=first)


def test_a_string_input_comes_after_its_history(owners: TwoOwners) -> None:
    first = owners.store_response({"input": "one"}, message("assistant", "1"))
    items, _ = owners.resolve(input="two", previous_response_id=first)
    assert [item["content"][0]["text"] for item in items] == ["one", "1", "two"]


def test_reasoning_is_kept_only_with_encrypted_content(owners: TwoOwners) -> None:
    encrypted = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "abc"}
    first = owners.store_response({"input": "one"}, encrypted, {"type": "reasoning", "id": "rs_2", "summary": []})
    items, _ = owners.resolve(input="two", previous_response_id=first)
    assert [item for item in items if item["type"] == "reasoning"] == [encrypted]


def test_items_are_found_by_their_ids(owners: TwoOwners) -> None:
    answer = message("assistant", "1", id="msg_1")
    mine = message("user", "one", id="msg_mine")
    first = owners.store_response({"input": [mine]}, answer)
    user_message = owners.responses.get(first).input[0]
    unnamed = owners.store_response({"input": "two"})
    without_id = owners.responses.get(unnamed).input[0]
    items, _ = owners.resolve(
        input=[
            {"type": "item_reference", "id": "msg_mine"},
            {"id": "msg_1"},
            {"type": "item_reference", "id": without_id["id"]},
            message("user", "three"),
        ]
    )
    assert items == [user_message, answer, without_id, message("user", "three")]


def test_a_reference_within_a_stored_request_is_followed(owners: TwoOwners) -> None:
    owners.store_response({"input": "one"}, message("assistant", "1", id="msg_1"))
    second = owners.store_response({"input": [{"type": "item_reference", "id": "msg_1"}]}, message("assistant", "2"))
    items, _ = owners.resolve(input="three", previous_response_id=second)
    assert [item["content"][0]["text"] for item in items] == ["1", "2", "three"]


def test_an_id_of_two_items_is_not_found(owners: TwoOwners) -> None:
    owners.store_response({"input": "one"}, message("assistant", "1", id="msg_0"))
    owners.store_response({"input": "two"}, message("assistant", "2", id="msg_0"))
    with pytest.raises(ApiError, match="msg_0") as caught:
        owners.resolve(input=[{"type": "item_reference", "id": "msg_0"}])
    assert caught.value.status == 404


def test_a_conversation_comes_before_the_input(owners: TwoOwners) -> None:
    conversation = owners.conversations.create([{"role": "user", "content": "zero"}])["id"]
    owners.conversations.append(conversation, [message("assistant", "0")])
    items, references = owners.resolve(input="one", conversation={"id": conversation})
    assert [item["content"][0]["text"] for item in items] == ["zero", "0", "one"]
    assert references == References(conversation=conversation, root=conversation)
    inside = owners.store_response({"input": "one"}, conversation=conversation)
    items, _ = owners.resolve(input="two", previous_response_id=inside)
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
def test_references_to_nothing_stored_are_refused(owners: TwoOwners, body: Item, status: int, words: str) -> None:
    assert refers(read_request(dumps(body)).body)
    with pytest.raises(ApiError, match=words) as caught:
        owners.resolve(**{"input": "hi", **body})
    assert caught.value.status == status


def test_the_code_of_an_unknown_response(owners: TwoOwners) -> None:
    with pytest.raises(ApiError) as caught:
        owners.resolve(input="hi", previous_response_id="resp_x")
    assert (caught.value.code, caught.value.param) == ("previous_response_not_found", "previous_response_id")


def test_responses_of_another_key_are_not_found(owners: TwoOwners) -> None:
    first = owners.store_response({"input": "one"}, message("assistant", "1", id="msg_1"))
    assert owners.others.find(first) is None
    assert owners.others.item("msg_1") is None
    with pytest.raises(ApiError, match="not found"):
        resolve({"input": "x", "previous_response_id": first}, owners.others, owners.conversations)


def test_a_gap_in_the_chain_is_refused(owners: TwoOwners) -> None:
    first = owners.store_response({"input": "one"})
    second = owners.store_response({"input": "two"}, previous=first)
    owners.responses.delete(first)
    with pytest.raises(ApiError, match=first) as caught:
        owners.resolve(input="three", previous_response_id=second)
    assert (caught.value.status, caught.value.code) == (400, "previous_response_not_found")


def test_a_stored_request_that_cannot_be_parsed_is_refused_as_history(owners: TwoOwners) -> None:
    """For example one with a number of thousands of digits, which is forwarded without being parsed."""
    response = {"id": new_id("resp"), "status": "completed", "output": []}
    owners.responses.put(StoredResponse(response, b'{"input": [{"role": "user", "content": [%b]}]}' % (b"9" * 5000)))
    with pytest.raises(ApiError, match=f"behind the stored response '{response['id']}'"):
        owners.resolve(input="y", previous_response_id=response["id"])


def test_the_length_of_a_chain_is_bounded(owners: TwoOwners) -> None:
    last = None
    for _ in range(MAX_CHAIN):
        last = owners.store_response({"input": "x"}, previous=last)
    items, _ = owners.resolve(input="y", previous_response_id=last)
    assert len(items) == MAX_CHAIN + 1
    last = owners.store_response({"input": "x"}, previous=last)
    with pytest.raises(ApiError, match="1,000 responses"):
        owners.resolve(input="y", previous_response_id=last)


def test_a_response_in_progress_cannot_be_continued(owners: TwoOwners) -> None:
    response = {"id": new_id("resp"), "status": "in_progress", "output": []}
    owners.responses.put(StoredResponse(response, b'{"input":"x"}'))
    with pytest.raises(ApiError, match="not complete"):
        owners.resolve(input="y", previous_response_id=response["id"])


turns = st.lists(st.tuples(st.text(min_size=1, max_size=5), st.lists(st.text(max_size=5), max_size=3)), max_size=6)


@given(turns, st.booleans())
def test_a_chain_resolves_to_the_whole_conversation(turns: list[tuple[str, list[str]]], as_list: bool) -> None:
    """With string inputs as well as lists of items."""
    owners, last, expected = TwoOwners(), None, list[str]()
    for text, outputs in turns:
        body: Item = {"input": [message("user", text)] if as_list else text}
        last = owners.store_response(body, *(message("assistant", output) for output in outputs), previous=last)
        expected += [text, *outputs]
    items, _ = owners.resolve(input="end", **({"previous_response_id": last} if last else {}))
    if last is None:
        assert items == "end"
    else:
        assert [item["content"][0]["text"] for item in items] == [*expected, "end"]
