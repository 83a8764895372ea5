"""Whatever is remembered of a conversation, what is sent and noted is the same as without the memory."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from request.conftest import INSTRUCTIONS
from request.test_client_request import STYLES, styles
from request.test_properties import contexts, items, tools

from codex_transform.attempts.edits import DropItems, DropMember, ReplaceInstructions, apply_all, digest
from codex_transform.clients.client import CODEX_CLI, OPENCODE, OTHER
from codex_transform.errors import ApiError
from codex_transform.jsonio import FULL_CHECK_LIMIT, dumps, parse_request
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import Context, transform
from codex_transform.request.client_request import as_items, read_request, write_request
from codex_transform.request.prefix_memory import MAX_THREADS, PrefixMemory

KEY = ("owner", "session")
LONG = {"role": "user", "content": "x" * FULL_CHECK_LIMIT}
CONTEXT = Context(OPENCODE, mode=True, options_for=lambda _: ModelOptions(), instructions=lambda _, __: INSTRUCTIONS)


def outcome(body: dict[str, Any], context: Context, write: Any) -> tuple[Any, ...]:
    """What is sent and noted, or the error."""
    try:
        done = transform(body, context)
    except ApiError as error:
        return error.status, error.message, error.param
    return write(done.body), done.changes.collect(), done.conversation, done.effort


class Turns:
    """Sends requests, and compares each with itself read without the memory and by the parser alone."""

    def __init__(self, memory: PrefixMemory) -> None:
        self.memory = memory

    def send(self, content: bytes, context: Context = CONTEXT, key: tuple[str, ...] = KEY) -> bytes:
        request = self.memory.read(key, content)
        sent = outcome(request.body, context, write_request)
        if isinstance(sent[0], bytes):
            self.memory.remember(key, request)
        assert sent == outcome(read_request(content).body, context, write_request)
        parsed = parse_request(content)
        if isinstance(parsed.get("input"), list):
            parsed["input"] = as_items(parsed["input"])
        plain = outcome(parsed, context, dumps)
        assert plain[1:] == sent[1:]
        if not isinstance(sent[0], bytes):
            assert plain == sent
            return b""
        assert json.loads(plain[0]) == json.loads(sent[0])
        return sent[0]


# What may happen to a history between two requests.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), items(first=100, leading=False)),
        st.tuples(st.just("cut"), st.integers(0, 12)),
        st.tuples(st.just("edit"), st.integers(0, 12)),
        st.tuples(st.just("insert"), st.integers(0, 12)),
        st.tuples(st.just("switch"), st.integers(0, 1)),
        st.tuples(st.just("tools"), tools),
        st.tuples(st.just("style"), styles),
        st.tuples(st.just("break"), st.sampled_from([5, {"type": 5}, {"content": []}, {"type": "x", "call_id": 5}])),
    ),
    max_size=8,
)


@settings(deadline=None)
@given(items(), steps, contexts, styles, st.sampled_from([10**9, 200_000, 50_000, 0]), st.booleans())
def test_a_conversation_is_sent_as_it_would_be_without_the_memory(
    first: list[Any], steps: list[Any], context: Context, style: dict[str, Any], limit: int, configured: bool
) -> None:
    if not configured:
        context = Context(OTHER, mode=context.mode, options_for=context.options_for, instructions=context.instructions)
    turns = Turns(PrefixMemory(limit))
    bodies: list[dict[str, Any]] = [{"model": "gpt-5.2", "input": [*first, LONG], "tools": []} for _ in range(2)]
    bodies[1]["input"] = [LONG, *first]
    now = 0
    for step, value in [("", None), *steps]:
        body = bodies[now]
        history = body["input"]
        if step == "append":
            history += value
        elif step == "cut":
            del history[max(1, len(history) - value) :]
        elif step in ("edit", "insert"):
            place = value % len(history)
            history[place : place + (step == "edit")] = [{"role": "user", "content": "edited"}]
        elif step == "switch":
            now = value
        elif step == "tools":
            body["tools"] = value
        elif step == "style":
            style = value
        elif step == "break":
            turns.send(json.dumps({**body, "input": [*history, value]}, **style).encode(), context)
        turns.send(json.dumps(bodies[now], **style).encode(), context)


def request(*more: dict[str, Any], model: str = "gpt-5.2", **style: Any) -> bytes:
    return json.dumps({"model": model, "input": [LONG, *more], "stream": True}, **(style or STYLES[0])).encode()


def call(number: int, kind: str = "function_call") -> dict[str, Any]:
    return {"type": kind, "call_id": f"c{number}", "name": "bash", "arguments": "{}"}


def output(number: int, kind: str = "function_call_output") -> dict[str, Any]:
    return {"type": kind, "call_id": f"c{number}", "output": "done"}


PAIRS = [
    ([call(1)], [output(1)]),
    ([call(1)], [{"role": "user", "content": "go on"}]),
    ([output(1)], [call(1)]),
    ([output(1)], [output(1)]),
    ([call(1), output(1)], [output(1)]),
    ([call(1), output(1)], [call(1)]),
    ([call(1, "local_shell_call")], [output(1)]),
    ([{"type": "item_reference", "id": "x"}], [call(1)]),
    ([{"type": "message", "role": "user", "content": "a", "id": "x"}], [{"role": "system", "content": "b"}]),
    ([{**call(1), "call_id": "c" * 100}], [{**output(1), "call_id": "c" * 100}]),
]


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_calls_pair_across_the_remembered_prefix(before: list[Any], after: list[Any]) -> None:
    turns = Turns(PrefixMemory())
    turns.send(request(*before))
    turns.send(request(*before, *after))
    turns.send(request(*before))


def test_a_known_prefix_is_not_read_again_nor_shared_with_others() -> None:
    memory = PrefixMemory()
    turns = Turns(memory)
    turns.send(request())
    known = memory.read(KEY, request(call(1))).items
    assert known[0] is memory.read(KEY, request(call(2))).items[0]
    assert known[0] is not memory.read(("other", "session"), request(call(1))).items[0]
    assert known[0] is not memory.read(KEY, request(call(1), model="gpt-5.1")).items[0]


def test_a_lone_surrogate_does_not_bypass_the_memory() -> None:
    memory = PrefixMemory()
    turns = Turns(memory)
    broken = {"type": "reasoning", "summary": [], "encrypted_content": "cut \ud83d"}
    turns.send(request(broken, separators=(",", ":")))
    later = request(broken, call(1), output(1), separators=(",", ":"))
    known = memory.read(KEY, later).items
    assert known[0] is memory.read(KEY, later).items[0]
    assert rb"cut \ud83d" in turns.send(later)


def test_the_memory_is_bounded_and_evicts_the_oldest_first() -> None:
    memory = PrefixMemory(max_bytes=10 * FULL_CHECK_LIMIT)
    for number in range(20):
        content = request(model=f"gpt-{number}")
        read = memory.read(KEY, content)
        transform(read.body, CONTEXT)
        memory.remember(KEY, read)
        assert memory.size <= 10 * FULL_CHECK_LIMIT

    def knows(number: int) -> bool:
        content = request(model=f"gpt-{number}")
        return memory.read(KEY, content).items[0] is memory.read(KEY, content).items[0]

    assert [knows(number) for number in (0, 10, 18, 19)] == [False, False, True, True]


def test_a_turn_replaces_the_one_before() -> None:
    memory = PrefixMemory()
    turns = Turns(memory)
    sizes = []
    for number in range(30):
        turns.send(request(*(each for n in range(number) for each in (call(n), output(n)))))
        sizes.append(memory.size)
    assert sizes[-1] < sizes[0] + 30 * 2000


def test_threads_of_a_conversation_are_bounded() -> None:
    memory = PrefixMemory()
    turns = Turns(memory)
    for number in range(3 * MAX_THREADS):
        turns.send(request(call(number), output(number)))
    assert memory.size < (MAX_THREADS + 1) * 4 * FULL_CHECK_LIMIT


@pytest.mark.parametrize("codex_instructions", [True, False])
def test_edits_to_a_codex_request_do_not_reach_the_memory(codex_instructions: bool) -> None:
    context = Context(
        CODEX_CLI,
        mode=True,
        options_for=lambda _: ModelOptions(),
        instructions=lambda _, __: INSTRUCTIONS,
        codex_instructions=codex_instructions,
    )
    memory = PrefixMemory()
    turns = Turns(memory)
    for number in range(3):
        user = {"type": "message", "role": "user", "content": "a", "extra": 1}
        items = [user, *(each for n in range(number) for each in (call(n), output(n)))]
        content = json.dumps({**json.loads(request(*items)), "instructions": "The client's own."}).encode()
        turns.send(content, context)
        # After a refusal, edits are applied to what was sent.
        read = memory.read(KEY, content)
        done = transform(read.body, context)
        memory.remember(KEY, read)
        apply_all([DropMember("message", ("extra",)), DropItems("function_call", (), "")], done.body, done.changes)
        ReplaceInstructions(digest(done.body["instructions"]), "c", "d", kept=True).apply(done.body, done.changes)
        assert json.loads(write_request({"input": read.items}))["input"] == [LONG, *items]
