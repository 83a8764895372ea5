"""From finished output items to the events that stream them.

Strategy: the whole answer is known before its first byte is sent, so one function per item type takes a finished
item and yields how it grows: added empty, filled by deltas, done. Names and order as in the OpenAI API reference,
"Responses / Streaming events". Nothing here knows the proxy's own code: the sandbox must be able to prove it wrong.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from codex_transform.sandbox.planned_response import Event

Item = dict[str, Any]

_PIECE = re.compile(r"\s*\S{1,12}|\s+")


def response_object(request: Mapping[str, Any], response_id: str) -> dict[str, Any]:
    """Return the response object of a request at its start.

    Like the real one it repeats the request's settings, its instructions and its tools.
    """
    reasoning = request.get("reasoning") or {}
    return {
        "id": response_id,
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": request.get("instructions"),
        "max_output_tokens": None,
        "model": request.get("model"),
        "output": [],
        "parallel_tool_calls": request.get("parallel_tool_calls", True),
        "previous_response_id": None,
        "prompt_cache_key": request.get("prompt_cache_key"),
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "service_tier": request.get("service_tier", "default"),
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, **(request.get("text") or {})},
        "tool_choice": request.get("tool_choice", "auto"),
        "tools": request.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def stream(
    response: Mapping[str, Any], items: Sequence[Item], usage: Mapping[str, Any], *, fill_output: bool
) -> Iterator[Event]:
    """Yield all events of one answer, numbered.

    The terminal event's `response.output` stays `[]`, as Codex endpoints leave it, unless `fill_output`.
    """
    number = 0

    def numbered(event: Event) -> Event:
        nonlocal number
        event["sequence_number"] = number
        number += 1
        return event

    yield numbered({"type": "response.created", "response": dict(response)})
    yield numbered({"type": "response.in_progress", "response": dict(response)})
    for index, item in enumerate(items):
        for event in _item(index, item):
            yield numbered(event)
    final = {
        **response,
        "status": "completed",
        "output": list(items) if fill_output else [],
        "usage": dict(usage),
    }
    yield numbered({"type": "response.completed", "response": final})


def pieces(text: str) -> Iterator[str]:
    """Return `text` in pieces about as long as a model's tokens."""
    return (match.group() for match in _PIECE.finditer(text))


def _item(index: int, item: Item) -> Iterator[Event]:
    started = {**item, **_EMPTY.get(item["type"], {})}
    if "status" in item:
        started["status"] = "in_progress"
    yield {"type": "response.output_item.added", "output_index": index, "item": started}
    if grow := _GROW.get(item["type"]):
        for event in grow(item):
            kind = event.pop("type")
            yield {"type": kind, "item_id": item["id"], "output_index": index, **event}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _message(item: Item) -> Iterator[Event]:
    for index, part in enumerate(item["content"]):
        text = part["text"]
        yield {
            "type": "response.content_part.added",
            "content_index": index,
            "part": {**part, "text": ""},
        }
        for piece in pieces(text):
            yield {
                "type": "response.output_text.delta",
                "content_index": index,
                "delta": piece,
                "logprobs": [],
            }
        yield {"type": "response.output_text.done", "content_index": index, "text": text, "logprobs": []}
        yield {"type": "response.content_part.done", "content_index": index, "part": part}


def _reasoning(item: Item) -> Iterator[Event]:
    prefix = "response.reasoning_summary"
    for index, part in enumerate(item["summary"]):
        yield {"type": f"{prefix}_part.added", "summary_index": index, "part": {**part, "text": ""}}
        for piece in pieces(part["text"]):
            yield {"type": f"{prefix}_text.delta", "summary_index": index, "delta": piece}
        yield {"type": f"{prefix}_text.done", "summary_index": index, "text": part["text"]}
        yield {"type": f"{prefix}_part.done", "summary_index": index, "part": part}


def _function(item: Item) -> Iterator[Event]:
    for piece in pieces(item["arguments"]):
        yield {"type": "response.function_call_arguments.delta", "delta": piece}
    yield {
        "type": "response.function_call_arguments.done",
        "name": item["name"],
        "arguments": item["arguments"],
    }


def _custom(item: Item) -> Iterator[Event]:
    for piece in pieces(item["input"]):
        yield {"type": "response.custom_tool_call_input.delta", "delta": piece}
    yield {"type": "response.custom_tool_call_input.done", "input": item["input"]}


_EMPTY: dict[str, dict[str, Any]] = {
    "message": {"content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
}
_GROW = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function,
    "custom_tool_call": _custom,
}
