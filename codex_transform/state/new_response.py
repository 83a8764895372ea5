"""The response object of a request that no endpoint has answered."""

import time
from typing import Any

from codex_transform.state.ids import new_id


def new_response(body: dict[str, Any], status: str) -> dict[str, Any]:
    """Return a response object with a new id, and what the request says of it."""
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "background": body.get("background") is True,
        "model": body.get("model"),
        "output": [],
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {},
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "store": body.get("store") is not False,
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools") or [],
        "usage": None,
    }
