"""Ids that the endpoint would reject for their length."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codex_transform.request.call_ids import MAX_LENGTH, conversation_name, shorten

LONG = "mcp__a_server_with_a_long_name__and_a_tool_with_a_longer_one__" + "x" * 40


@given(st.text(st.characters(exclude_categories=()), max_size=200), st.text(max_size=200))
def test_short_ids_stay_and_distinct_ids_stay_distinct(one: str, other: str) -> None:
    assert len(shorten(one)) <= MAX_LENGTH
    assert shorten(shorten(one)) == shorten(one)
    assert len(one) > MAX_LENGTH or shorten(one) == one
    assert (shorten(one) == shorten(other)) == (one == other)


def test_the_name_of_a_conversation_is_bounded() -> None:
    assert conversation_name({"prompt_cache_key": LONG}, "session") == shorten(LONG)
    assert conversation_name({"prompt_cache_key": ""}, LONG) == shorten(LONG)
    assert conversation_name({"prompt_cache_key": 5}, None) is None


def test_a_call_and_its_output_still_match(run: Callable[..., Any]) -> None:
    items = [
        {"type": "function_call", "call_id": LONG, "name": "read", "arguments": "{}"},
        {"type": "function_call_output", "call_id": LONG, "output": "done"},
        {"type": "function_call", "call_id": f"{LONG}2", "name": "read", "arguments": "{}"},
        {"type": "function_call_output", "call_id": f"{LONG}2", "output": "done"},
    ]
    done = run(input=items)
    ids = [item["call_id"] for item in done.body["input"]]
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert max(map(len, ids)) == MAX_LENGTH
    assert ("input[*].call_id", 4) in {(change.path, change.count) for change in done.changes.collect()}


def test_shortened_ids_are_the_same_in_the_next_turn(run: Callable[..., Any]) -> None:
    items = [
        {"type": "function_call", "call_id": LONG, "name": "read", "arguments": "{}"},
        {"type": "function_call_output", "call_id": LONG, "output": "done"},
    ]
    first = run(input=list(map(dict, items))).body["input"]
    second = run(input=[*map(dict, items), {"role": "user", "content": "more"}]).body["input"]
    assert second[: len(first)] == first


def test_a_long_prompt_cache_key_is_shortened(run: Callable[..., Any]) -> None:
    sent = run(prompt_cache_key="k" * 65).body["prompt_cache_key"]
    assert len(sent) == MAX_LENGTH
    assert run(prompt_cache_key="k" * 64).body["prompt_cache_key"] == "k" * 64
