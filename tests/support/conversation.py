"""Turns of a conversation with a proxy, and what a sandbox made of them."""

import json
from typing import Any

from codex_transform.sandbox import Sandbox
from support.running import OPENCODE_AGENT, Proxy


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "user", "content": list(parts)}


def text(words: str) -> dict[str, Any]:
    return {"type": "input_text", "text": words}


def picture(url: str) -> dict[str, Any]:
    return {"type": "input_image", "image_url": url}


def ask(
    proxy: Proxy,
    conversation: str,
    *items: dict[str, Any],
    stream: bool = True,
    agent: str = OPENCODE_AGENT,
    **fields: Any,
) -> str:
    """Send one turn of a conversation and return the model's text."""
    body = {"model": "gpt-5.1", "stream": stream, "prompt_cache_key": conversation, "tool_choice": "auto"}
    status, _, answer = proxy.send(
        {**body, "parallel_tool_calls": True, "input": list(items), **fields}, user_agent=agent
    )
    assert status == 200, answer
    if not stream:
        return str(json.loads(answer)["output"][-1]["content"][0]["text"])
    events = [json.loads(line[6:]) for line in answer.decode().splitlines() if line.startswith("data: {")]
    assert events[-1]["type"] == "response.completed"
    return str(events[-1]["response"]["output"][-1]["content"][0]["text"])


def statuses(sandbox: Sandbox) -> list[int]:
    return [entry["status"] for entry in sandbox.requests]
