"""What the addon changed, read off two bodies: each change with its reason, and nothing where nothing changed."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from request.test_properties import CONTEXT, PROMPT, anything, contexts, requests

from codex_transform.inspect.changes import Change, changes
from codex_transform.inspect.steps import BRIDGE, FORM, ID, MOVED, ORPHAN, OTHER, REFERENCE, ROLE
from codex_transform.inspect.steps import PROMPT as TAKEN_OUT
from codex_transform.jsonio import dumps, parse_request
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import Context, transform

TOOLS = [{"type": "function", "name": "bash", "parameters": {}}]

Sent = Callable[..., tuple[dict[str, Any], dict[str, Any]]]


def sent(body: dict[str, Any], context: Context) -> dict[str, Any]:
    return parse_request(dumps(transform(parse_request(dumps(body)), context).body))


def context(mode: bool = True, compact: bool = False, **options: Any) -> Context:
    found = ModelOptions(**options)
    return Context(mode=mode, compact=compact, options_for=lambda _: found, instructions=lambda _, __: "Codex text.")


def changed(using: Context | None = None, /, **fields: Any) -> dict[str, Change]:
    """The changes of a request, by what they are about."""
    body = {"model": "gpt-5.1-codex", "input": [], **fields}
    found = changes(body, sent(body, using or context()))
    assert all(change.why and OTHER not in change.why for change in found), found
    return {change.what: change for change in found}


@given(requests, contexts)
def test_whatever_the_addon_changes_has_a_reason(body: dict[str, Any], using: Context) -> None:
    after = sent(body, using)
    found = changes(body, after)
    assert all(change.why and OTHER not in change.why for change in found), found
    assert bool(found) == (body != after)
    for name in (body.keys() | after.keys()) - {"input"}:
        assert any(change.what.split(".")[0] == name for change in found) == (
            body.get(name, ...) != after.get(name, ...)
        )


@given(requests, contexts)
def test_what_was_not_changed_is_no_change(body: dict[str, Any], using: Context) -> None:
    assert changes(body, copy.deepcopy(body)) == []
    after = sent(body, using)
    assert changes(after, copy.deepcopy(after)) == []


@given(requests, contexts)
def test_the_bodies_stay_as_they_are(body: dict[str, Any], using: Context) -> None:
    after = sent(body, using)
    before = copy.deepcopy((body, after))
    changes(body, after)
    assert (body, after) == before


names = st.sampled_from(["model", "input", "instructions", "reasoning", "text", "include", "store", "tools", "x"])
bodies = st.dictionaries(names, anything | st.lists(anything, max_size=4), max_size=6)


@given(bodies | requests, bodies | requests)
def test_any_two_bodies_are_compared(one: dict[str, Any], other: dict[str, Any]) -> None:
    for change in changes(one, other):
        assert change.why
        assert (change.before, change.after) != (None, None)


def test_the_model() -> None:
    alias = changed(model="gpt-5-codex-high")
    assert alias["model"][1:3] == ("gpt-5-codex-high", "gpt-5.1-codex")
    assert "do not serve" in alias["model"].why
    assert alias["reasoning.effort"][2:] == ("high", "It was in the model's name.")
    assert "So Codex endpoints write it" in changed(model="openai/GPT 5.1 Codex")["model"].why
    assert "model" not in changed(model="gpt-99")


def test_fixed_fields_and_fields_that_are_refused() -> None:
    found = changed(store=True, temperature=0.2, metadata={"a": 1}, service_tier="flex", text=None, include=["x"])
    assert found["store"][:3] == ("store", "true", "false")
    assert found["stream"][:3] == ("stream", None, "true")
    assert found["include"][1:3] == ('["x"]', '["x", "reasoning.encrypted_content"]')
    assert found["temperature"] == ("temperature", "0.2", None, "Codex endpoints refuse it.")
    assert found["metadata"].after is None
    assert "service tier" in found["service_tier"].why
    assert "null" in found["text"].why
    assert "compact" in changed(context(compact=True), store=False)["store"].why
    assert "OpenCode's configuration: a" in changed(context(include=("a",)))["include"].why


def test_reasoning_and_verbosity() -> None:
    assert "by default" in changed()["reasoning.effort"].why
    clamped = changed(reasoning={"effort": "minimal"})["reasoning.effort"]
    assert clamped == (
        "reasoning.effort", "minimal", "low", "Asked was minimal; gpt-5.1-codex takes low, medium, high."
    )  # fmt: skip
    assert "The name says xhigh" in changed(model="gpt-5.1-codex-xhigh")["reasoning.effort"].why
    assert "OpenCode's configuration" in changed(context(effort="high"))["reasoning.effort"].why
    assert changed(reasoning={"summary": "none"})["reasoning.summary"].after is None
    assert changed(reasoning={"summary": "on"})["reasoning.summary"].after == "auto"
    assert "no verbosity" in changed(text={"verbosity": "low"})["text.verbosity"].why
    assert changed(model="gpt-5.1")["text.verbosity"].after == "low"


def test_items_that_are_changed_alike_are_one_change() -> None:
    found = changed(
        input=[
            {"type": "item_reference", "id": "msg_0"},
            {"role": "system", "content": "be kind"},
            *({"role": "user", "content": f"{number}", "id": f"msg_{number}"} for number in range(9)),
        ]
    )
    assert found["id of 9 items (the client's input 2, 3, 4, 5, 6, …)"].why == ID
    assert found["form of 10 items (the client's input 1, 2, 3, 4, 5, …)"].why == FORM
    assert found["role of the client's input[1]"][1:] == ("system", "developer", ROLE)
    assert found["item_reference of the client's input[0]"].why == REFERENCE


def test_the_bridge_and_the_instructions_are_put_before() -> None:
    found = changed(input="hello", instructions="Be brief.", tools=TOOLS)
    assert found["input"][1:3] == ("hello", "a user message")
    assert found["input[0]"].why == BRIDGE
    assert found["input[0]"].before is None
    assert found["input[1]"].why == MOVED
    assert found["instructions"].why.endswith("what stood here is input[1] now.")
    assert changed(context(mode=False), input="hello", tools=TOOLS)["input[0]"].why == BRIDGE


@pytest.mark.parametrize("rest", [CONTEXT, CONTEXT + "Speak Frisian."])
def test_the_prompt_of_opencode_is_taken_out(rest: str) -> None:
    whole = changed(input=[{"role": "developer", "content": PROMPT + rest}, {"role": "user", "content": "hi"}])
    assert whole["input[0]"].why == TAKEN_OUT
    assert whole["input[0]"].after == f"developer, {len(rest)} characters"
    apart = changed(input=[{"role": "system", "content": PROMPT}, {"role": "system", "content": rest}])
    assert apart["input[0]"][2:] == (None, TAKEN_OUT)
    moved = changed(instructions=PROMPT + rest, input="hi")
    assert moved["input[0]"].why == f"{MOVED} {TAKEN_OUT}"
    gone = changed(instructions=PROMPT, input=[{"role": "system", "content": rest}])
    assert "is taken out" in gone["instructions"].why
    assert "input[0]" not in changed(context(mode=False), input=[{"role": "developer", "content": PROMPT + rest}])


def test_an_output_without_its_call() -> None:
    outputs = [
        {"type": "function_call_output", "call_id": "c1", "output": "short"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "x" * 20_000},
    ]
    found = changed(input=outputs)
    assert found["input[0]"].why == ORPHAN
    assert found["input[0]"].before == "tool output · c1, 5 characters"
    assert found["input[1]"].why.startswith(ORPHAN)
    assert "16,000" in found["input[1]"].why


def test_what_somebody_else_changed_is_not_claimed() -> None:
    body = {"model": "gpt-5.1-codex", "input": [{"role": "user", "content": str(number)} for number in range(6)]}
    after = sent(body, context())
    after["input"][3]["content"][0]["text"] = "by hand"
    del after["input"][5]
    after["temperature"] = 1
    others = [change for change in changes(body, after) if change.why == OTHER]
    assert [change.what for change in others] == ["temperature", "input[3]", "input[5]"]
