"""What each client's request becomes."""

from collections.abc import Callable
from typing import Any

import pytest

from codex_transform.clients.client import CODEX_CLI, OPENCODE, OTHER
from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps
from codex_transform.request import Context, Transformed, transform
from codex_transform.request.client_request import read_request, write_request
from codex_transform.request.instructions import DEFAULT

TOOLS = [{"type": "function", "name": "look_up", "parameters": {}}]
CODEX_BODY: dict[str, Any] = {
    "model": "gpt-6.2-sol",
    "stream": True,
    "store": False,
    "input": [
        {"type": "additional_tools", "role": "developer", "tools": [{"type": "namespace", "name": "f", "tools": []}]},
        {"type": "message", "role": "developer", "id": "msg_1", "content": [{"type": "input_text", "text": "rules"}]},
        {"type": "message", "role": "user", "id": "msg_2", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "function_call_output", "call_id": "c" * 70, "output": "left over"},
        {"type": "compaction_trigger"},
    ],
    "reasoning": {"effort": "medium", "context": "all_turns"},
    "include": [],
    "client_metadata": {"a": "b"},
    "service_tier": None,
    "prompt_cache_key": "ses",
}


def test_a_codex_cli_request_is_sent_unchanged(context: Callable[..., Context]) -> None:
    content = dumps(CODEX_BODY)
    done = transform(read_request(content).body, context(client=CODEX_CLI))
    assert write_request(done.body) == content
    assert (done.streaming, done.conversation, done.effort, done.own_instructions) == (True, "ses", "medium", True)
    assert not done.changes.collect()


def test_codex_cli_instructions_move_if_the_endpoint_takes_only_codexs_own(
    context: Callable[..., Context], instructions: str
) -> None:
    done = transform(
        read_request(dumps({**CODEX_BODY, "instructions": "its own"})).body,
        context(client=CODEX_CLI, codex_instructions=True),
    )
    assert done.body["instructions"] == instructions
    assert done.body["input"][0]["content"][0]["text"] == "its own"
    assert done.body["input"][1:] == CODEX_BODY["input"]


@pytest.mark.parametrize("field", ["model", "input"])
def test_a_codex_request_without_a_required_field_is_refused(context: Callable[..., Context], field: str) -> None:
    with pytest.raises(ApiError, match=field):
        transform({**CODEX_BODY, field: None}, context(client=CODEX_CLI))


@pytest.fixture
def other(run: Callable[..., Transformed], context: Callable[..., Context]) -> Callable[..., Transformed]:
    """Transforms the request of an unknown client."""

    def go(mode: bool = True, codex: bool | None = None, **fields: Any) -> Transformed:
        options = {"effort": "high", "summary": "detailed", "verbosity": "high", "include": ("a",)}
        return run(context(options, mode, OTHER, codex_instructions=codex), **fields)

    return go


@pytest.mark.parametrize("mode", [True, False])
def test_another_client_keeps_its_own_instructions(other: Callable[..., Transformed], mode: bool) -> None:
    done = other(mode, instructions="Answer in rhymes.", tools=TOOLS)
    assert done.body["instructions"] == "Answer in rhymes."
    assert [item["role"] for item in done.body["input"]] == ["user"]
    assert done.own_instructions


def test_another_client_without_instructions_gets_the_default_ones(other: Callable[..., Transformed]) -> None:
    done = other(tools=TOOLS, input=[{"role": "system", "content": "Rules."}, {"role": "user", "content": "hi"}])
    assert done.body["instructions"] == DEFAULT
    assert [item["content"][0]["text"] for item in done.body["input"]] == ["Rules.", "hi"]


def test_opencodes_configuration_does_not_apply_to_another_client(other: Callable[..., Transformed]) -> None:
    body = other().body
    assert "reasoning" not in body
    assert "text" not in body
    assert body["include"] == ["reasoning.encrypted_content"]
    asked = other(
        reasoning={"effort": "xhigh", "summary": "auto"}, text={"verbosity": "low", "format": {"type": "text"}}
    )
    assert asked.body["reasoning"] == {"effort": "xhigh", "summary": "auto"}
    assert asked.body["text"] == {"verbosity": "low", "format": {"type": "text"}}


def test_a_prompt_like_opencodes_is_not_removed_for_another_client(other: Callable[..., Transformed]) -> None:
    prompt = "You are OpenCode, a program.\nInstructions from: AGENTS.md\nRules."
    done = other(input=[{"role": "developer", "content": prompt}, {"role": "user", "content": "hi"}])
    assert done.body["input"][0]["content"][0]["text"] == prompt


def test_codex_instructions_for_every_client(other: Callable[..., Transformed], instructions: str) -> None:
    done = other(codex=True, instructions="Answer in rhymes.", tools=TOOLS)
    assert done.body["instructions"] == instructions
    bridge, own, user = (item["content"][0]["text"] for item in done.body["input"])
    assert "`look_up`" in bridge
    assert "OpenCode" not in bridge
    assert (own, user) == ("Answer in rhymes.", "hello")


def test_opencode_may_keep_its_own_instructions_too(
    run: Callable[..., Transformed], context: Callable[..., Context]
) -> None:
    prompt = "You are OpenCode, a program.\nInstructions from: AGENTS.md\nRules."
    done = run(context(client=OPENCODE, codex_instructions=False), instructions=prompt, tools=TOOLS)
    assert done.body["instructions"] == prompt
    assert [item["role"] for item in done.body["input"]] == ["user"]
