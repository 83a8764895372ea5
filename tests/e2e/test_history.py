"""Several turns of conversations through the real mitmdump: the endpoint gets the same with their beginnings known."""

from typing import Any

from support.running import Proxy

from codex_transform.sandbox import Sandbox

PROMPT = "You are OpenCode, made up for this test.\nRules.\nYou are powered by the model named x.\n<env>\n</env>\n"
TOOLS = [{"type": "function", "name": "bash", "parameters": {"type": "object", "properties": {}}}]


def call(number: int) -> list[dict[str, Any]]:
    return [
        {"type": "function_call", "call_id": f"c{number}", "name": "bash", "arguments": "{}"},
        {"type": "function_call_output", "call_id": f"c{number}", "output": f"{number} é 😀 " * 500},
    ]


def history(text: str) -> list[dict[str, Any]]:
    return [{"role": "developer", "content": PROMPT}, {"role": "user", "content": text}, *call(0), *call(1), *call(2)]


def test_the_endpoint_gets_the_same_with_and_without_a_known_beginning(
    quiet_proxy: Proxy, shared_sandbox: Sandbox
) -> None:
    one, two = history("one"), history("two")
    said = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "cut \ud83d"}]}
    turns: list[tuple[str, list[dict[str, Any]]]] = [
        ("one", one),
        ("two", two),
        ("one", [*one, *call(3)]),
        ("two", [*two, call(3)[0], {"role": "user", "content": "Stop."}]),
        ("one", [*one, *call(3), said, {"role": "user", "content": "Go on."}]),
        ("one", [*one, *call(3), said, {"role": "user", "content": "Go on."}, *call(4)]),
        ("two", [*two, call(3)[0], {"role": "user", "content": "Stop."}, *call(4)]),
        ("one", [*one, {"role": "user", "content": "Another way."}]),
        ("one", [*one[:2], {"role": "assistant", "content": "compacted"}, *call(5)]),
        ("two", [*two[:3], {**two[3], "output": "cleared"}, *two[4:], *call(6)]),
    ]
    for number, (session, items) in enumerate(turns):
        body = {"model": "gpt-5.1-codex", "input": items, "tools": TOOLS, "stream": True, "prompt_cache_key": session}
        shared_sandbox.forget()
        for known_by in (session, f"nobody knows {number}"):
            status, _, answer = quiet_proxy.send(body, user_agent="opencode/1.18.33", session_id=known_by)
            assert status == 200, answer
        known, unknown = (entry["content"] for entry in shared_sandbox.requests)
        assert known == unknown
        outputs = [item["output"] for item in items if "output" in item]
        sent = [item["output"] for item in shared_sandbox.requests[0]["body"]["input"] if "output" in item]
        assert [output for output in sent if output in outputs] == outputs
