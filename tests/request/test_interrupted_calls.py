"""Calls whose client was interrupted before it had the output."""

from collections.abc import Callable
from typing import Any

import pytest

from codex_transform.request.interrupted_calls import REASON, TEXT

KINDS = [
    ("function_call", "function_call_output"),
    ("custom_tool_call", "custom_tool_call_output"),
    ("local_shell_call", "function_call_output"),
]


@pytest.mark.parametrize(("call", "output"), KINDS)
def test_an_interrupted_call_gets_an_output_right_after_it(call: str, output: str, run: Callable[..., Any]) -> None:
    items = [{"role": "user", "content": "a"}, {"type": call, "call_id": "c1"}, {"role": "user", "content": "b"}]
    done = run(input=items)
    assert done.body["input"][1:3] == [
        {"type": call, "call_id": "c1"},
        {"type": output, "call_id": "c1", "output": TEXT},
    ]
    assert done.body["input"][3]["content"][0]["text"] == "b"
    assert REASON in {change.reason for change in done.changes.collect()}


def test_a_call_with_its_output_stays_as_it_is(run: Callable[..., Any]) -> None:
    """Including parallel calls, one of which has no output."""
    items: list[dict[str, Any]] = [
        {"type": "function_call", "call_id": "c1"},
        {"type": "function_call", "call_id": "c2"},
        {"type": "function_call", "call_id": "c3"},
        {"type": "function_call_output", "call_id": "c3", "output": "3"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
    ]
    sent = run(input=items).body["input"]
    assert [(item["type"][14:], item["call_id"]) for item in sent] == [
        ("", "c1"), ("", "c2"), ("output", "c2"), ("", "c3"), ("output", "c3"), ("output", "c1"),
    ]  # fmt: skip
    assert [item.get("output") for item in sent if "output" in item] == [TEXT, "3", "1"]


def test_the_next_turn_begins_with_the_same_items(run: Callable[..., Any]) -> None:
    items: list[dict[str, Any]] = [{"role": "user", "content": "a"}, {"type": "function_call", "call_id": "c1"}]
    first = run(input=list(map(dict, items))).body["input"]
    second = run(input=[*map(dict, items), {"role": "user", "content": "more"}]).body["input"]
    assert second[: len(first)] == first


def test_calls_that_the_endpoint_answers_itself_get_no_output(run: Callable[..., Any]) -> None:
    items = [{"type": "web_search_call", "status": "completed"}, {"type": "tool_search_call", "call_id": "c1"}]
    assert run(input=list(map(dict, items))).body["input"] == items
