from collections.abc import Callable
from typing import Any

import pytest


def part(kind: str, text: str) -> dict[str, str]:
    return {"type": kind, "text": text}


def message(role: str, *parts: dict[str, str]) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": list(parts)}


MESSAGES = [
    ({"role": "user", "content": "a"}, message("user", part("input_text", "a"))),
    ({"role": "developer", "content": "a"}, message("developer", part("input_text", "a"))),
    ({"role": "system", "content": "a"}, message("developer", part("input_text", "a"))),
    ({"role": "assistant", "content": "a"}, message("assistant", part("output_text", "a"))),
    ({"type": None, "role": "user", "content": ""}, message("user", part("input_text", ""))),
    ({"type": "message", "role": "user", "content": "a"}, message("user", part("input_text", "a"))),
    ({"role": "user", "content": []}, message("user")),
    (
        {"role": "system", "content": [part("input_text", "a")], "status": "completed"},
        {**message("developer", part("input_text", "a")), "status": "completed"},
    ),
    (
        {"id": "msg_1", "role": "assistant", "content": [part("output_text", "a")]},
        message("assistant", part("output_text", "a")),
    ),
    (
        {"role": "user", "content": [{"type": "input_image", "image_url": "data:,", "id": "kept"}]},
        {**message("user"), "content": [{"type": "input_image", "image_url": "data:,", "id": "kept"}]},
    ),
]


@pytest.mark.parametrize(("item", "expected"), MESSAGES)
def test_messages_get_their_full_form(item: dict[str, Any], expected: dict[str, Any], run: Callable[..., Any]) -> None:
    assert run(input=[item]).body["input"] == [expected]


def test_the_type_comes_first(run: Callable[..., Any]) -> None:
    assert list(run(input=[{"role": "user", "content": "a"}]).body["input"][0]) == ["type", "role", "content"]


@pytest.mark.parametrize("text", ["hello", "", "  \n"])
def test_a_string_becomes_a_user_message(text: str, run: Callable[..., Any]) -> None:
    assert run(input=text).body["input"] == [message("user", part("input_text", text))]


def test_an_empty_list_stays_empty(run: Callable[..., Any]) -> None:
    assert run(input=[]).body["input"] == []


OTHERS = [
    {"type": "reasoning", "encrypted_content": "gAAA", "summary": [part("summary_text", "a")]},
    {"type": "shell_call", "call_id": "c", "name": "bash", "arguments": "{}", "status": "completed"},
    {"type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}},
    {"type": "compaction", "encrypted_content": "gAAA"},
    {"type": "tool_search_output", "call_id": None, "tools": []},
    {"type": "not_invented_yet", "call_id": "c", "whatever": [1, {"id": "inner"}], "role": 5, "content": 6},
]


@pytest.mark.parametrize("item", OTHERS, ids=lambda item: item["type"])
def test_other_items_lose_their_id_and_nothing_else(item: dict[str, Any], run: Callable[..., Any]) -> None:
    assert run(input=[item]).body["input"] == [item]
    assert run(input=[{"id": "x_1", **item}]).body["input"] == [item]


@pytest.mark.parametrize("reference", [{"type": "item_reference", "id": "a"}, {"id": "a"}, {"type": None, "id": "a"}])
def test_item_references_are_dropped_and_the_order_stays(reference: dict[str, Any], run: Callable[..., Any]) -> None:
    reasoning = {"type": "reasoning", "summary": []}
    items: list[dict[str, Any] | str] = [reference, "one", reference, reference, reasoning, "two", reference]
    given = [{"role": "user", "content": i} if isinstance(i, str) else dict(i) for i in items]
    expected = [message("user", part("input_text", "one")), reasoning, message("user", part("input_text", "two"))]
    assert run(input=given).body["input"] == expected
