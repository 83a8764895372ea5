"""The sandbox's output over real sockets: text, titles, and tool calls of every kind with their closing message."""

from typing import Any

import pytest
from pydantic_core import from_json
from sandbox.client import Client

FUNCTION_PATCH = {
    "type": "function",
    "name": "apply_patch",
    "parameters": {"properties": {"patchText": {"type": "string"}}, "required": ["patchText"]},
}
FREEFORM_PATCH = {"type": "custom", "name": "apply_patch", "format": {"type": "text"}}
WRITE = {
    "type": "function",
    "name": "write",
    "parameters": {"properties": {"filePath": {"type": "string"}, "content": {"type": "string"}}},
}
BASH = {"type": "function", "name": "bash", "parameters": {"properties": {"command": {"type": "string"}}}}
LOCAL_SHELL = {"type": "local_shell"}


def message(text: str, role: str = "user") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}


@pytest.mark.parametrize(
    ("prompt", "tool", "kind", "content"),
    [
        ("write hello world to test.txt", FUNCTION_PATCH, "function_call", "*** Add File: test.txt\\n+hello world\\n"),
        ("write hello world to test.txt", FREEFORM_PATCH, "custom_tool_call", "*** Add File: test.txt\n+hello world\n"),
        ("write hello world to test.txt", WRITE, "function_call", '"content":"hello world\\n"'),
        ("write hello world to test.txt", BASH, "function_call", "> test.txt"),
        ("write hello world to test.txt", LOCAL_SHELL, "local_shell_call", "> test.txt"),
        ("run echo marco", BASH, "function_call", "echo marco"),
    ],
)
def test_a_tool_is_called_and_its_output_is_reported(
    client: Client, prompt: str, tool: dict[str, Any], kind: str, content: str
) -> None:
    turn = client.ask(prompt, tools=[tool], reasoning={"effort": "high"})
    reasoning, call = turn.items
    assert (reasoning["type"], call["type"]) == ("reasoning", kind)
    assert content in (call.get("arguments") or call.get("input") or call["action"]["command"][-1])

    output_kind = kind.removesuffix("_call") + "_call_output"
    history = [message(prompt), reasoning, call]
    for output, verdict in [("Success: all is well", "Done"), ("Error: disk full", "That did not work")]:
        answer = {"type": output_kind, "call_id": call["call_id"], "output": output}
        closing = client.post(client.body(input=[*history, answer], tools=[tool]))
        assert [item["type"] for item in closing.items] == ["message"]
        assert closing.text.startswith(f"[sandbox] {verdict}: ")
        assert output in closing.text


def test_deltas_of_a_call_add_up_to_its_arguments(client: Client) -> None:
    for tool, kind, field in [
        (FUNCTION_PATCH, "response.function_call_arguments", "arguments"),
        (FREEFORM_PATCH, "response.custom_tool_call_input", "input"),
    ]:
        turn = client.ask("write hello world to test.txt", tools=[tool])
        deltas = [event["delta"] for event in turn.events if event["type"] == f"{kind}.delta"]
        done = next(event for event in turn.events if event["type"] == f"{kind}.done")
        assert len(deltas) > 3
        assert "".join(deltas) == done[field] == turn.items[0][field]


def test_calls_are_made_in_rounds_until_all_is_done(client: Client) -> None:
    prompt = '"write a to a.txt and also write b to b.txt then run ls"'
    history = [message("say hello"), message("hello", "developer"), message(prompt)]
    seen: list[list[str]] = []
    while len(calls := client.post(client.body(input=history, tools=[WRITE, BASH])).items) and len(seen) < 5:
        seen.append([call.get("name", call["type"]) for call in calls])
        history += calls
        history += [
            {"type": "function_call_output", "call_id": call["call_id"], "output": f"ok {call['name']}"}
            for call in calls
            if call["type"] == "function_call"
        ]
        if calls[0]["type"] == "message":
            break
    assert seen == [["write", "write"], ["bash"], ["message"]]


@pytest.mark.parametrize(
    ("output", "verdict"),
    [
        ("Success. Updated the following files:\nA x", "Done"),
        ("", "Done"),
        ("the error page was written", "Done"),
        ("Chunk ID: 1\nProcess exited with code 0\nOutput: error", "Done"),
        ("Chunk ID: 1\nProcess exited with code 2", "That did not work"),
        ("exit code: 127", "That did not work"),
        ('{"output":"fine","metadata":{"exit_code":0}}', "Done"),
        ('{"output":"fine","metadata":{"exit_code":1}}', "That did not work"),
        ("Error: no", "That did not work"),
        ("apply_patch verification failed: no such hunk", "That did not work"),
        ("bash: foo: command not found", "That did not work"),
        ("The user rejected permission to use this tool", "That did not work"),
    ],
)
def test_success_and_failure_are_told_apart(client: Client, output: str, verdict: str) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "bash", "arguments": "{}"}
    answer = {"type": "function_call_output", "call_id": "c", "output": output}
    text = client.post(client.body(input=[message("run it"), call, answer], tools=[BASH])).text
    assert text.startswith(f"[sandbox] {verdict}: bash answered “")


def test_every_message_begins_with_the_sandbox_mark(client: Client) -> None:
    for prompt in ("hello", "what is love?", "count to 5", "run ls", "", "ü" * 5000):
        text = client.ask(prompt, tools=[]).text
        assert text.startswith("[sandbox] ")
    assert "“say hello”" in client.ask('"say hello"').text
    assert client.ask("count to 12").text == "[sandbox] 1 2 3 4 5 6 7 8 9 10 11 12"
    assert client.ask("run ls", tools=[WRITE]).text.endswith("no tool of this request can do it. Its tools: write.")
    assert client.ask("use nothing", tools=[]).text.endswith("Its tools: none.")


def test_titles_are_short(client: Client) -> None:
    instruction = message("Answer with a title for this conversation.", "developer")
    for prompt in ['"write a very long story about a dog to story.txt"\n', "x <text>\n  say hello\n</text> y", "<>"]:
        text = client.post(client.body(input=[instruction, message(prompt)])).text
        assert text.startswith("[sandbox] ")
        assert len(text) <= 50
        assert "\n" not in text
    assert (
        client.post(client.body(input=[instruction, message("x <text>\n say hello\n</text>")])).text
        == "[sandbox] Say hello"
    )


def test_tool_choice_is_honoured(client: Client) -> None:
    assert client.ask("run ls", tools=[BASH], tool_choice="none").items[0]["type"] == "message"
    forced = client.ask("hello", tools=[BASH, WRITE], tool_choice={"type": "function", "name": "write"})
    assert [item["name"] for item in forced.items] == ["write"]


def test_reasoning_has_what_was_requested(client: Client) -> None:
    def item(**fields: Any) -> dict[str, Any]:
        return client.ask("hello", **fields).items[0]

    assert item()["type"] == "message"
    assert item(model="gpt-5.2", reasoning={"effort": "none"})["type"] == "message"
    plain = item(reasoning={"effort": "low"})
    assert (plain["type"], plain["summary"], "encrypted_content" in plain) == ("reasoning", [], False)
    full = item(reasoning={"effort": "low", "summary": "auto"}, include=["reasoning.encrypted_content"])
    assert "[sandbox]" in full["summary"][0]["text"]
    assert len(full["encrypted_content"]) > 100


def test_cached_tokens_come_from_comparing_prefixes(client: Client) -> None:
    def cached(**fields: Any) -> int:
        usage = client.post(client.body(**{"prompt_cache_key": "k", "instructions": "x" * 8000, **fields})).events[-1]
        count: int = usage["response"]["usage"]["input_tokens_details"]["cached_tokens"]
        return count

    first = [message("hello")]
    assert cached(input=first) == 0
    assert cached(input=[*first, message("and now?")]) == 1920
    assert cached(input=first, prompt_cache_key="other") == 0
    assert cached(input=first, instructions="y" + "x" * 8000) == 0
    assert cached(input=first, tools=[BASH]) == 1920
    usage = client.post(client.body(input=first)).events[-1]["response"]["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


def test_the_terminal_output_is_empty_as_from_codex_endpoints(client: Client) -> None:
    terminal = client.ask("hello").events[-1]
    assert terminal["type"] == "response.completed"
    assert terminal["response"]["output"] == []
    assert terminal["response"]["status"] == "completed"


def test_arguments_survive_any_text(client: Client) -> None:
    text = 'quote " back \\ slash 🎉 \u2028 ümlaut'
    turn = client.ask(f"write {text} to t.txt", tools=[WRITE])
    assert from_json(turn.items[0]["arguments"])["content"] == f"{text}\n"


def test_json_output_fits_its_schema(client: Client) -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        },
        "required": ["city", "days"],
    }
    turn = client.ask("hello", text={"format": {"type": "json_schema", "name": "trip", "schema": schema}})
    assert from_json(turn.text) == {"city": "sandbox", "days": [1, 1]}
    assert "[sandbox]" in from_json(client.ask("hello", text={"format": {"type": "json_object"}}).text)["text"]
    assert client.ask("hello", text={"format": {"type": "text"}}).text.startswith("[sandbox]")


def test_a_required_tool_call_is_made(client: Client) -> None:
    assert client.ask("hello", tools=[BASH], tool_choice="required").items[-1]["name"] == "bash"
    assert client.ask("hello", tool_choice="required").items[-1]["type"] == "message"


def test_a_tool_in_a_namespace_is_called_by_both_names(client: Client) -> None:
    """For its newest models, the Codex CLI sends the tools in an item; one of them runs JavaScript."""
    exec_, clock = {"type": "custom", "name": "exec"}, {"type": "function", "name": "sleep"}
    namespaces = [
        {"type": "namespace", "name": "functions", "tools": [exec_]},
        {"type": "namespace", "name": "clock", "tools": [clock]},
    ]
    tools = {"type": "additional_tools", "role": "developer", "tools": namespaces}
    call = client.post(client.body(input=[tools, message("run echo 'a'")])).items[-1]
    assert (call["type"], call["namespace"], call["name"]) == ("custom_tool_call", "functions", "exec")
    assert call["input"] == """text(await tools.exec_command({"cmd":"echo 'a'"}));"""
    call = client.post(client.body(input=[tools, message("use sleep")])).items[-1]
    assert (call["type"], call["namespace"], call["name"]) == ("function_call", "clock", "sleep")
    call = client.post(client.body(input=[message("use sleep")], tools=namespaces)).items[-1]
    assert call["namespace"] == "clock"


def test_a_history_is_compacted_if_the_last_item_asks_for_it(client: Client) -> None:
    turn = client.post(client.body(input=[message("hello"), {"type": "compaction_trigger"}]))
    (item,) = turn.items
    assert item["type"] == "compaction"
    assert client.post(client.body(input=[item, message("hello")])).status == 200
