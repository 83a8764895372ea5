"""What a request said, as the response object repeats it.

Endpoints repeat the request that they got, which is not the client's: it has Codex's instructions and no temperature.
A client gets back what it sent itself.
"""

from collections.abc import Mapping
from typing import Any

# Members that a response repeats as the request had them; null says as little as nothing.
_REPEATED = (
    "frequency_penalty",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "temperature",
    "tool_choice",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)

# What a definition of a function has in a response, if the request left it out.
_FUNCTION = {"description": None, "parameters": None, "strict": None}


def request_members(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of the response object that repeat the client's request, given its body.

    Nothing in them is the body's own: that may be changed afterwards.
    """
    members = {name: body[name] for name in _REPEATED if body.get(name) is not None}
    instructions, tools = body.get("instructions"), body.get("tools")
    members["instructions"] = instructions if isinstance(instructions, str) else None
    members["tools"] = [_tool(tool) for tool in tools] if isinstance(tools, list) else []
    if isinstance(text := body.get("text"), dict):
        members["text"] = {"format": {"type": "text"}, **{k: v for k, v in text.items() if v is not None}}
    if isinstance(reasoning := body.get("reasoning"), dict):
        members["reasoning"] = {"effort": None, "summary": None, **reasoning}
    return members


def _tool(tool: Any) -> Any:
    if not isinstance(tool, dict):
        return tool
    return {**_FUNCTION, **tool} if tool.get("type") == "function" else dict(tool)
