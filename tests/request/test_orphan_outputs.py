from collections.abc import Callable
from typing import Any

import pytest

MAX_CHARS = 16_000

PAIRS = [
    ("function_call", "function_call_output"),
    ("local_shell_call", "local_shell_call_output"),
    ("local_shell_call", "function_call_output"),
    ("custom_tool_call", "custom_tool_call_output"),
    ("shell_call", "shell_call_output"),
    ("apply_patch_call", "apply_patch_call_output"),
    ("tool_search_call", "tool_search_output"),
    ("future_call", "future_call_output"),
]
MISMATCHES = [
    ("function_call", "custom_tool_call_output"),
    ("custom_tool_call", "function_call_output"),
    ("function_call", "local_shell_call_output"),
    ("reasoning", "function_call_output"),
]
OUTPUTS = sorted({output for _, output in PAIRS})


def orphan_text(item: dict[str, Any]) -> str:
    assert item.keys() == {"type", "role", "content"}
    assert (item["type"], item["role"]) == ("message", "assistant")
    (part,) = item["content"]
    assert part.keys() == {"type", "text"}
    assert part["type"] == "output_text"
    return str(part["text"])


@pytest.mark.parametrize(("call", "output"), PAIRS)
@pytest.mark.parametrize("turned", [False, True])
def test_an_output_with_its_call_stays(call: str, output: str, turned: bool, run: Callable[..., Any]) -> None:
    items = [{"type": call, "call_id": "c1"}, {"type": output, "call_id": "c1", "output": "done"}]
    if turned:
        items.reverse()
    assert run(input=items).body["input"] == items


@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_without_its_call_becomes_a_message(output: str, run: Callable[..., Any]) -> None:
    items = [
        {"role": "user", "content": "before"},
        {"type": output, "call_id": "c1", "output": "the result"},
        {"role": "user", "content": "after"},
    ]
    sent = run(input=items).body["input"]
    text = orphan_text(sent[1])
    assert "c1" in text.partition("\n")[0]
    assert text.partition("\n")[2] == "the result"
    assert [sent[0]["content"][0]["text"], sent[2]["content"][0]["text"]] == ["before", "after"]


def test_equal_numbers_of_calls_and_outputs_do_not_make_pairs(run: Callable[..., Any]) -> None:
    items = [
        {"type": "function_call", "call_id": "c1"},
        {"type": "function_call", "call_id": "c2"},
        {"type": "function_call_output", "call_id": "c1", "output": "kept"},
        {"type": "function_call_output", "call_id": "c3", "output": "r"},
    ]
    sent = run(input=items).body["input"]
    assert [sent[0], sent[1], sent[3]] == items[:3]
    assert sent[2]["call_id"] == "c2"
    assert orphan_text(sent[4]).endswith("c3]\nr")


@pytest.mark.parametrize(("call", "output"), MISMATCHES)
def test_an_output_of_another_kind_of_call_becomes_a_message(call: str, output: str, run: Callable[..., Any]) -> None:
    items = [{"type": call, "call_id": "c1"}, {"type": output, "call_id": "c1", "output": "r"}]
    sent = run(input=items).body["input"]
    assert sent[0] == {"type": call, "call_id": "c1"}
    assert orphan_text(sent[-1]).endswith("\nr")


def test_only_the_orphans_among_many_change(run: Callable[..., Any]) -> None:
    items: list[dict[str, Any]] = []
    for n in range(50):
        if n % 7:
            items.append({"type": "function_call", "call_id": f"c{n}", "name": "bash", "arguments": "{}"})
        items.append({"type": "function_call_output", "call_id": f"c{n}", "output": f"result {n}"})
    sent = run(input=items).body["input"]
    assert len(sent) == len(items)
    for before, after in zip(items, sent, strict=True):
        number = int(before["call_id"][1:])
        if before["type"].endswith("_output") and number % 7 == 0:
            assert orphan_text(after).endswith(f"result {number}")
        else:
            assert after == before


@pytest.mark.parametrize("item", [{"call_id": None}, {}])
def test_an_output_that_names_no_call_is_an_orphan(item: dict[str, Any], run: Callable[..., Any]) -> None:
    sent = run(input=[{"type": "function_call_output", "output": "r", **item}]).body["input"]
    assert orphan_text(sent[0]) == "[result of an earlier tool call]\nr"


def test_the_tool_name_is_included_if_known(run: Callable[..., Any]) -> None:
    item = {"type": "custom_tool_call_output", "call_id": "c1", "name": "apply_patch", "output": "r"}
    assert orphan_text(run(input=[item]).body["input"][0]) == "[result of an earlier tool call apply_patch c1]\nr"


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("", ""),
        ("two\nlines", "two\nlines"),
        (None, ""),
        ([], ""),
        ([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}], "a\nb"),
        ([{"type": "output_text", "text": "a"}, {"type": "text", "text": "b"}, "c"], "a\nb\nc"),
        (
            [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}],
            "a\n[image left out]",
        ),
        ([{"type": "input_file", "file_id": "f"}], '{"type":"input_file","file_id":"f"}'),
        ([{"type": "input_text", "text": 5}], '{"type":"input_text","text":5}'),
        ({"ok": True, "größe": [1, 2]}, '{"ok":true,"größe":[1,2]}'),
        (7, "7"),
        ([1, None], "1\nnull"),
        ("cut \ud83d", "cut \ud83d"),
        ({"cut": "\ud83d"}, '{"cut":"\ud83d"}'),
    ],
)
def test_the_text_is_kept(output: Any, text: str, run: Callable[..., Any]) -> None:
    sent = run(input=[{"type": "function_call_output", "call_id": "c", "output": output}]).body["input"]
    assert orphan_text(sent[0]).partition("\n")[2] == text


@pytest.mark.parametrize(
    ("length", "mark"), [(MAX_CHARS - 1, ""), (MAX_CHARS, ""), (MAX_CHARS + 1, "1 more"), (50_000, "34000 more")]
)
def test_a_long_text_is_truncated_with_a_marker(length: int, mark: str, run: Callable[..., Any]) -> None:
    output = ("é😀" * length)[:length]
    sent = run(input=[{"type": "function_call_output", "call_id": "c", "output": output}]).body["input"]
    text = orphan_text(sent[0]).partition("\n")[2]
    assert text[:MAX_CHARS] == output[:MAX_CHARS]
    assert mark in text[MAX_CHARS:]
    assert bool(text[MAX_CHARS:]) == bool(mark)


def test_long_outputs_with_their_calls_are_not_truncated(run: Callable[..., Any]) -> None:
    items = [
        {"type": "function_call", "call_id": "c"},
        {"type": "function_call_output", "call_id": "c", "output": "x" * 50_000},
    ]
    assert run(input=items).body["input"] == items
