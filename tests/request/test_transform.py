"""The order of the steps, and what they do together."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from codex_transform.catalog import Resolved
from codex_transform.clients.client import OPENCODE
from codex_transform.opencode.config import ModelOptions
from codex_transform.request import Context, transform
from codex_transform.request.client_request import read_request, write_request

TOOLS = [{"type": "function", "name": "bash", "parameters": {"type": "object", "properties": {}}}]
CONTEXT = "You are powered by the model named gpt-5.2.\n<env>\n</env>"


def texts(body: dict[str, Any]) -> list[str]:
    return [part["text"] for item in body["input"] for part in item["content"]]


def test_an_opencode_request_becomes_a_codex_request(run: Callable[..., Any], instructions: str) -> None:
    done = run(
        model="gpt-5.1-codex",
        input=[
            {"role": "developer", "content": f"You are OpenCode, invented for this test.\n{CONTEXT}"},
            {"role": "user", "content": [{"type": "input_text", "text": "list the files"}]},
            {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": []},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "bash", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "a b"},
        ],
        max_output_tokens=32000,
        store=False,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="ses_1",
        reasoning={"effort": "medium", "summary": "auto"},
        tools=TOOLS,
        tool_choice="auto",
        stream=True,
    )
    note, *rest = done.body.pop("input")
    assert done.body == {
        "model": "gpt-5.1-codex",
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "ses_1",
        "reasoning": {"effort": "medium", "summary": "auto"},
        "tools": TOOLS,
        "tool_choice": "auto",
        "stream": True,
        "instructions": instructions,
    }
    assert note["role"] == "developer"
    assert "`bash`" in note["content"][0]["text"]
    assert rest == [
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": CONTEXT}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "list the files"}]},
        {"type": "reasoning", "encrypted_content": "gAAA", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "bash", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "a b"},
    ]
    assert (done.streaming, done.conversation, done.effort) == (True, "ses_1", "medium")
    assert (done.resolved.asked, done.resolved.slug) == ("gpt-5.1-codex", "gpt-5.1-codex")


@pytest.mark.parametrize("mode", [True, False])
def test_the_clients_instructions_come_after_the_note_and_before_the_input(
    mode: bool, run: Callable[..., Any], context: Callable[..., Context], instructions: str
) -> None:
    done = run(context(mode=mode), instructions="Talk like a pirate.", tools=TOOLS, input="hi")
    note, *rest = texts(done.body)
    assert "`bash`" in note
    assert rest == ["Talk like a pirate.", "hi"]
    assert [item["role"] for item in done.body["input"]] == ["developer", "developer", "user"]
    assert done.body["instructions"] == instructions


@pytest.mark.parametrize("blank", ["", " \n", None])
def test_blank_instructions_add_no_message(blank: str | None, run: Callable[..., Any]) -> None:
    assert texts(run(instructions=blank, input="hi").body) == ["hi"]


def test_the_codex_instructions_themselves_are_not_repeated(run: Callable[..., Any], instructions: str) -> None:
    done = run(instructions=instructions, input="hi")
    assert texts(done.body) == ["hi"]
    assert done.body["instructions"] == instructions


def test_new_instructions_on_a_transformed_body_come_after_its_note(run: Callable[..., Any]) -> None:
    once = run(tools=TOOLS, input="hi").body
    note, *_ = texts(once)
    assert texts(run(**{**once, "instructions": "Mine."}).body) == [note, "Mine.", "hi"]


def test_changed_tools_get_their_own_note(run: Callable[..., Any]) -> None:
    once = run(tools=TOOLS, input="hi").body
    more = run(**{**once, "tools": [*TOOLS, {"type": "function", "name": "edit"}]}).body
    assert len(more["input"]) == len(once["input"]) + 1
    assert "`edit`" in more["input"][0]["content"][0]["text"]


def test_no_tools_no_note(run: Callable[..., Any]) -> None:
    assert texts(run(input="hi", tools=[]).body) == texts(run(input="hi").body) == ["hi"]


@pytest.mark.parametrize(
    ("key", "session", "conversation"),
    [("k", "s", "k"), ("k", None, "k"), (None, "s", "s"), ("", "s", "s"), (None, None, None)],
)
def test_options_and_instructions_are_looked_up_by_model_and_conversation(
    key: str | None, session: str | None, conversation: str | None
) -> None:
    asked: list[Any] = []

    def options_for(name: str) -> ModelOptions:
        asked.append(name)
        return ModelOptions()

    def instructions(resolved: Resolved, conversation: str | None) -> str:
        asked.append((resolved.slug, conversation))
        return "text"

    context = Context(OPENCODE, mode=True, options_for=options_for, instructions=instructions, session=session)
    body = {"model": "openai/gpt-5-mini-high", "input": "hi", "prompt_cache_key": key}
    done = transform(body, context)
    assert asked == ["openai/gpt-5-mini-high", ("gpt-5.1", conversation)]
    assert done.conversation == conversation
    assert done.body["instructions"] == "text"


def test_items_that_need_no_change_are_sent_as_the_client_wrote_them(context: Callable[..., Context]) -> None:
    call = rb'{ "call_id":"c", "type" : "function_call","name":"b\u0061sh","arguments":"{}","extra":[1.50, 1E2]}'
    output = rb'{"type":"function_call_output","output":"\/x \ud83d\ude00","call_id":"c"}'
    body = read_request(b'{"model":"gpt-5.2", "input": [' + call + b" ,\n" + output + b'], "store":true}').body
    done = transform(body, context())
    assert done.body is body
    assert b'"input":[' + call + b"," + output + b"]" in write_request(done.body)


def test_text_that_javascript_split_within_a_character_is_sent_unchanged(context: Callable[..., Context]) -> None:
    content = rb'{"model":"gpt-5.2","input":"cut here: \ud83d","instructions":"\ude00"}'
    sent = write_request(transform(read_request(content).body, context()).body)
    assert rb'"cut here: \ud83d"' in sent
    assert rb'"\ude00"' in sent
    assert texts(json.loads(sent)) == ["\ude00", "cut here: \ud83d"]


def test_a_conversation_keeps_its_bytes_when_a_split_character_follows(
    context: Callable[..., Context],
) -> None:
    items = ['{"role":"user","content":"größe → 😀 1.5"}', r'{"role":"user","content":"\ud83d"}']
    sent = [
        write_request(
            transform(
                read_request(f'{{"model":"gpt-5.2","input":[{",".join(items[:n])}]}}'.encode()).body, context()
            ).body
        )
        for n in (1, 2)
    ]
    start = sent[0].index(b'"input":[')
    end = sent[0].index(b"]}]") + 2
    assert sent[1][start:end] == sent[0][start:end]
