"""The notes on a transformation: every change is noted with its reason, and nothing else is."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from request.test_properties import CONTEXT, PROMPT, contexts, requests

from codex_transform.clients.client import OPENCODE
from codex_transform.jsonio import dumps
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import Context, transform
from codex_transform.request.changes import Change
from codex_transform.request.client_request import read_request

TOOLS = [{"type": "function", "name": "bash", "parameters": {}}]


def notes(body: dict[str, Any], using: Context) -> tuple[dict[str, Any], tuple[Change, ...]]:
    """The body that is sent, and the notes."""
    done = transform(read_request(dumps(body)).body, using)
    return done.body, done.changes.collect()


def context(mode: bool = True, compact: bool = False, **options: Any) -> Context:
    found = ModelOptions(**options)
    return Context(
        OPENCODE, mode=mode, compact=compact, options_for=lambda _: found, instructions=lambda _, __: "Codex text."
    )


def changed(using: Context | None = None, /, **fields: Any) -> dict[str, Change]:
    """The notes on a request, by path."""
    _, found = notes({"model": "gpt-5.1-codex", "input": [], **fields}, using or context())
    assert len({(change.action, change.path) for change in found}) == len(found)
    return {change.path: change for change in found}


def value(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name, ...) if isinstance(body, dict) else ...
    return body


@given(requests, contexts)
def test_exactly_the_fields_that_differ_have_notes(body: dict[str, Any], using: Context) -> None:
    after, found = notes(body, using)
    noted = {re.split(r"[.\[]", change.path)[0] for change in found}
    assert noted == {name for name in body.keys() | after.keys() if body.get(name, ...) != after.get(name, ...)}
    for change in found:
        assert change.reason.endswith(".")
        if "[" not in change.path:
            was, now = value(body, change.path), value(after, change.path)
            assert was != now
            expected = "added" if was is ... else "removed" if now is ... else "changed"
            # Removing null and filling in a member leaves an object in its place.
            assert change.action == expected or (was is None and isinstance(now, dict)), change


@given(requests, contexts)
def test_the_notes_on_items_name_what_is_sent(body: dict[str, Any], using: Context) -> None:
    before, (after, found) = body["input"], notes(body, using)
    for change in found:
        if match := re.match(r"input\[(\d+)\]", change.path):
            assert int(match[1]) < len(after["input"]), change
            assert change.count == 1
        elif change.path.startswith("input[*]") and isinstance(before, list):
            assert 1 <= change.count <= len(before) + 1
    added = [change for change in found if change.path.startswith("input[") and change.action == "added"]
    removed = [change.count for change in found if change.path == "input[*]" and change.action == "removed"]
    if isinstance(before, list):
        assert len(after["input"]) == len(before) + len(added) - sum(removed)


@given(requests, contexts)
def test_a_transformed_request_needs_no_notes(body: dict[str, Any], using: Context) -> None:
    once, _ = notes(body, using)
    assert notes(once, using)[1] == ()


def test_a_long_conversation_has_few_notes() -> None:
    turn: list[dict[str, Any]] = [{"role": "user", "content": "hi", "id": "msg"}, {"role": "system", "content": []}]
    turn += [{"type": "item_reference", "id": "a"}, {"type": "function_call_output", "call_id": "c", "output": ""}]
    _, found = notes({"model": "gpt-5.1-codex", "input": turn * 3000}, context())
    assert {(change.action, change.path, change.count) for change in found if change.path.startswith("input")} == {
        ("removed", "input[*]", 3000),
        ("changed", "input[*].type", 6000),
        ("changed", "input[*].content", 3000),
        ("changed", "input[*].role", 3000),
        ("removed", "input[*].id", 3000),
        ("changed", "input[*]", 3000),
    }
    assert sum(len(change.reason) for change in found) < 2000


def test_the_model() -> None:
    alias = changed(model="gpt-5-codex-high")
    assert "do not serve" in alias["model"].reason
    assert alias["reasoning.effort"].reason == "Set by the model's name."
    assert "spell" in changed(model="openai/GPT 5.1 Codex")["model"].reason
    assert "model" not in changed(model="gpt-99")


def test_fixed_fields_and_fields_that_are_rejected() -> None:
    found = changed(store=0, temperature=0.2, service_tier="flex", text=None, include=["x"], stream=None)
    assert found["store"].action == "changed"
    assert found["stream"].action == "changed"
    assert found["include"].action == "changed"
    assert found["temperature"] == Change("removed", "temperature", "Codex endpoints reject this field.")
    assert "service tier" in found["service_tier"].reason
    assert "null" in found["text"].reason
    assert "compact" in changed(context(compact=True), store=False)["store"].reason
    assert "OpenCode's configuration" in changed(context(include=("a",)))["include"].reason
    assert "once" in changed(include=["reasoning.encrypted_content"] * 2)["include"].reason
    assert (
        not {"store", "stream", "include"}
        & changed(store=False, stream=True, include=["reasoning.encrypted_content"]).keys()
    )


def test_reasoning_and_verbosity() -> None:
    assert changed()["reasoning.effort"] == Change("added", "reasoning.effort", "The default of gpt-5.1-codex.")
    assert changed(reasoning={"effort": "minimal"})["reasoning.effort"] == Change(
        "changed",
        "reasoning.effort",
        "gpt-5.1-codex does not support the effort minimal: it takes low, medium, high.",
    )
    named = changed(model="gpt-5.1-codex-xhigh")["reasoning.effort"]
    assert "the effort xhigh of the model's name" in named.reason
    assert "OpenCode's configuration" in changed(context(effort="high"))["reasoning.effort"].reason
    assert "the effort max of OpenCode's configuration" in changed(context(effort="max"))["reasoning.effort"].reason
    assert changed(reasoning={"summary": "none"})["reasoning.summary"].action == "removed"
    assert changed(reasoning={"summary": "on"})["reasoning.summary"].action == "changed"
    assert "no verbosity" in changed(text={"verbosity": "low"})["text.verbosity"].reason
    assert changed(model="gpt-5.1")["text.verbosity"].reason == "The default of gpt-5.1."
    assert "OpenCode" in changed(context(verbosity="high"), model="gpt-5.1")["text.verbosity"].reason
    assert "reasoning" in changed(model="gpt-99", reasoning={})


def test_a_single_item_is_named_by_its_index() -> None:
    found = changed(
        input=[
            {"type": "item_reference", "id": "msg_0"},
            {"role": "system", "content": [], "type": "message"},
            {"type": "reasoning", "summary": [], "id": "rs_1"},
            {"type": "message", "role": "user", "content": "hi"},
            {"type": "function_call_output", "call_id": "c", "output": ""},
        ],
        tools=TOOLS,
    )
    items = {path: change.action for path, change in found.items() if path.startswith("input")}
    assert items == {
        "input[0]": "added",
        "input[*]": "removed",
        "input[1].role": "changed",
        "input[2].id": "removed",
        "input[3].content": "changed",
        "input[4]": "changed",
    }


def test_the_bridge_and_the_instructions_come_first() -> None:
    found = changed(input="hello", instructions="Be brief.", tools=TOOLS)
    assert found["input"].action == "changed"
    assert "tools" in found["input[0]"].reason
    assert found["input[1]"] == Change("added", "input[1]", "The client's own instructions.")
    assert "become an item of the input" in found["instructions"].reason
    assert changed(context(mode=False), input="hello", tools=TOOLS)["input[0]"].action == "added"


@pytest.mark.parametrize("rest", [CONTEXT, CONTEXT + "Speak Frisian."])
def test_the_prompt_of_opencode_is_removed(rest: str) -> None:
    whole = changed(input=[{"role": "developer", "content": PROMPT + rest}, {"role": "user", "content": "hi"}])
    assert "CODEX_MODE" in whole["input[0].content[*].text"].reason
    parts = [{"type": "input_text", "text": text} for text in (PROMPT, rest)]
    assert changed(input=[{"role": "developer", "content": parts}])["input[0].content[*]"].action == "changed"
    apart = changed(input=[{"role": "system", "content": PROMPT, "id": "a"}, {"role": "system", "content": rest}])
    assert apart["input[*]"].action == "removed"
    assert "input[0].id" not in apart
    moved = changed(instructions=PROMPT + rest, input=[])
    assert {"input[0]", "input[0].content[*].text"} <= moved.keys()
    gone = changed(instructions=PROMPT, input=[{"type": "message", "role": "developer", "content": parts[1:]}])
    assert "OpenCode's own system prompt" in gone["instructions"].reason
    assert not [path for path in gone if path.startswith("input")]
    off = changed(context(mode=False), input=[{"role": "developer", "content": PROMPT + rest}])
    assert "input[0].content[*].text" not in off


def test_an_output_without_its_call(run: Callable[..., Any]) -> None:
    outputs = [{"type": "function_call_output", "call_id": f"c{number}", "output": "x"} for number in range(2)]
    one = changed(input=outputs[:1])["input[0]"]
    assert one.action == "changed"
    assert "without its call" in one.reason
    assert "16,000" in one.reason
    assert changed(input=outputs)["input[*]"].count == 2
    assert run(input=outputs).changes.collect()
