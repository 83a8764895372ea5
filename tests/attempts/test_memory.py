"""What is remembered about refusals, for whom, and for how long."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codex_transform.attempts.edits import DropParameter, DropReasoning, apply_all, digest
from codex_transform.attempts.failure import Failure
from codex_transform.attempts.memory import ENDPOINT_TTL, MAX_EDITS, Key, Memory
from codex_transform.attempts.next_attempt import Policy, decide
from codex_transform.attempts.rule import Scope, Sent
from codex_transform.jsonio import dumps
from codex_transform.request.changes import Changes
from codex_transform.request.input_items import message
from codex_transform.values import MAX_KEYS

KEY = Key("https://h/responses", "gpt-5.1", "conversation")
INCLUDE, REASONING = DropParameter(("include",)), DropReasoning(frozenset({"x"}))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_an_endpoint_refused_is_forgotten_after_a_day() -> None:
    clock = Clock()
    memory = Memory(now=clock)
    memory.learn(INCLUDE, Scope.ENDPOINT, KEY)
    clock.now += ENDPOINT_TTL - 1
    assert memory.edits(KEY) == [INCLUDE]
    assert memory.edits(KEY._replace(conversation="another")) == [INCLUDE]
    assert memory.edits(KEY._replace(conversation=None)) == [INCLUDE]
    assert memory.edits(KEY._replace(model="gpt-5.2")) == []
    assert memory.edits(KEY._replace(endpoint="https://other/responses")) == []
    clock.now += 2
    assert memory.edits(KEY) == []


def test_a_conversation_is_remembered_while_there_is_room() -> None:
    clock = Clock()
    memory = Memory(now=clock)
    memory.learn(REASONING, Scope.CONVERSATION, KEY)
    clock.now += 10 * ENDPOINT_TTL
    assert memory.edits(KEY._replace(model="gpt-5.2")) == [REASONING]
    assert memory.edits(KEY._replace(conversation="another")) == []
    assert memory.edits(KEY._replace(endpoint="https://other/responses")) == []
    for number in range(MAX_KEYS):
        memory.learn(REASONING, Scope.CONVERSATION, KEY._replace(conversation=str(number)))
    assert memory.edits(KEY) == []


def test_a_conversation_without_a_name_has_no_memory() -> None:
    memory = Memory()
    memory.learn(REASONING, Scope.CONVERSATION, KEY._replace(conversation=None))
    assert memory.edits(KEY._replace(conversation=None)) == []


def test_an_edit_is_remembered_once_and_the_memory_is_bounded() -> None:
    memory = Memory()
    for _ in range(3):
        memory.learn(INCLUDE, Scope.ENDPOINT, KEY)
    assert memory.edits(KEY) == [INCLUDE]
    for number in range(2 * MAX_EDITS):
        memory.learn(DropParameter((f"p{number}",)), Scope.ENDPOINT, KEY)
    assert len(memory.edits(KEY)) == MAX_EDITS


IMAGE = {"type": "input_image", "image_url": "data:image/svg+xml;base64,PHN2Zy8+"}
turns = st.lists(
    st.sampled_from(
        [
            [message("user", "hello")],
            [{"type": "message", "role": "user", "content": [IMAGE, {"type": "input_text", "text": "look"}]}],
            [{"type": "reasoning", "summary": [], "encrypted_content": "a"}],
            [{"type": "reasoning", "summary": [], "encrypted_content": "b", "status": "completed"}],
            [{"type": "web_search_call", "action": {"type": "other"}}],
            [
                {"type": "function_call", "name": "bash", "arguments": "{}", "call_id": "c1"},
                {"type": "function_call_output", "call_id": "c1", "output": "done"},
            ],
        ]
    ),
    max_size=5,
).map(lambda groups: [item for group in groups for item in group])
refusals = st.sampled_from(
    [
        Failure("x", code="invalid_encrypted_content", status=400),
        Failure("That is no valid image.", status=400),
        Failure("Unknown parameter", code="unknown_parameter", param="input[1].status", status=400),
        Failure("Invalid value: 'other'", param="input[2].action.type", status=400),
        Failure("Unsupported parameter: include", status=400),
        Failure("Request Entity Too Large", status=413),
    ]
)


@given(first=turns, second=turns, third=turns, failures=st.lists(refusals, max_size=3))
def test_a_turn_begins_with_the_bytes_of_the_turn_before(
    first: list[Any], second: list[Any], third: list[Any], failures: list[Failure]
) -> None:
    """Whatever was refused in the second turn: the third, edited from memory, begins with the same bytes."""
    memory = Memory()

    def body(*parts: list[Any]) -> dict[str, Any]:
        items = [message("user", "begin"), *(item for part in parts for item in part), message("user", "go on")]
        return {"model": "gpt-5.1", "instructions": "x", "include": [], "input": json.loads(dumps(items))}

    sent = body(first, second)
    for failure in failures:
        attempt = decide(failure, Sent(sent), [], Policy())
        if attempt and attempt.edit and attempt.scope:
            attempt.edit.apply(sent, Changes())
            memory.learn(attempt.edit, attempt.scope, KEY)
    later = body(first, second)
    later["input"] += [*third, message("user", "and on")]
    apply_all(memory.edits(KEY), later, Changes())
    assert dumps(later["input"][: len(sent["input"])]) == dumps(sent["input"])
    assert {name: later[name] for name in later if name != "input"} == {
        name: sent[name] for name in sent if name != "input"
    }


def test_equal_values_have_equal_digests() -> None:
    assert digest({"a": 1}) == digest({"a": 1}) != digest({"a": 2})
