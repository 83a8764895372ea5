"""A response object becomes the events that would have streamed it.

Strategy: one function per type of item walks a finished item and yields how it grew, without the members that every
event about an item has; those, and the numbers, are added at the end. Names, order and members as in the OpenAI API
reference, "Responses / Streaming events". Each text is one delta: it is all there already.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from codex_transform import jsonio
from codex_transform.response import sse

Event = dict[str, Any]
Item = Mapping[str, Any]


def response_to_events(response: Mapping[str, Any]) -> list[Event]:
    """Return the events of `response`, numbered from 0; the last one holds it unchanged.

    `fold` of them gives `response` again, if it was completed or incomplete.
    """
    status = response.get("status")
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "error": None}
    begun["incomplete_details"] = None
    events: list[Event] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    output = response.get("output")
    for index, item in enumerate(output if isinstance(output, list) else ()):
        if isinstance(item, dict):
            events += _of_item(index, item)
    end = f"response.{status}" if status in ("incomplete", "failed") else "response.completed"
    events.append({"type": end, "response": dict(response)})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def response_to_stream(response: Mapping[str, Any]) -> bytes:
    """Return the same as the bytes of an event stream."""
    return b"".join(sse.render(event["type"], jsonio.dumps(event)) for event in response_to_events(response))


def _of_item(index: int, item: Item) -> Iterator[Event]:
    begun = dict(item)
    if "status" in item:
        begun["status"] = "in_progress"
    item_events, empty = _GROWTH.get(str(item.get("type")), (_not_at_all, {}))
    begun.update({name: value for name, value in empty.items() if name in item})
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    for event in item_events(item):
        about = {"item_id": item.get("id"), "output_index": index}
        yield {"type": event["type"], **about, **event}
    yield {"type": "response.output_item.done", "output_index": index, "item": dict(item)}


def _not_at_all(item: Item) -> Iterator[Event]:  # noqa: ARG001
    return iter(())


def _message(item: Item) -> Iterator[Event]:
    for index, part in enumerate(_parts(item, "content")):
        if part.get("type") == "refusal":
            yield from _text("response.refusal", "refusal", part, {"content_index": index})
        else:
            yield from _text("response.output_text", "text", part, {"content_index": index})


def _reasoning(item: Item) -> Iterator[Event]:
    for index, part in enumerate(_parts(item, "summary")):
        where = {"summary_index": index}
        text = part.get("text") or ""
        yield {"type": "response.reasoning_summary_part.added", **where, "part": {**part, "text": ""}}
        if text:
            yield {"type": "response.reasoning_summary_text.delta", **where, "delta": text}
        yield {"type": "response.reasoning_summary_text.done", **where, "text": text}
        yield {"type": "response.reasoning_summary_part.done", **where, "part": part}
    for index, part in enumerate(_parts(item, "content")):
        yield from _text("response.reasoning_text", "text", part, {"content_index": index})


def _text(kind: str, member: str, part: Item, where: Event) -> Iterator[Event]:
    """Yield a part of an item's content, whose text is in `member`."""
    text = part.get(member) or ""
    more = {"logprobs": part.get("logprobs") or []} if kind == "response.output_text" else {}
    begun = {**part, member: ""}
    notes = part.get("annotations")
    if notes:
        begun["annotations"] = []
    yield {"type": "response.content_part.added", **where, "part": begun}
    if text:
        yield {"type": f"{kind}.delta", **where, "delta": text, **more}
    for number, note in enumerate(notes if isinstance(notes, list) else ()):
        yield {
            "type": "response.output_text.annotation.added",
            **where,
            "annotation_index": number,
            "annotation": note,
        }
    yield {"type": f"{kind}.done", **where, member: text, **more}
    yield {"type": "response.content_part.done", **where, "part": dict(part)}


def _input(kind: str, member: str, *named: str) -> Callable[[Item], Iterator[Event]]:
    """Return a tool call, whose input is in `member`; its last event repeats the members `named`."""

    def item_events(item: Item) -> Iterator[Event]:
        text = item.get(member) or ""
        if text:
            yield {"type": f"{kind}.delta", "delta": text}
        yield {"type": f"{kind}.done", member: text, **{name: item.get(name) for name in named}}

    return item_events


def _parts(item: Item, member: str) -> list[Item]:
    parts = item.get(member)
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


# How an item of each type grows, and what it has none of at first. Others appear whole.
_GROWTH: dict[str, tuple[Callable[[Item], Iterator[Event]], Item]] = {
    "message": (_message, {"content": []}),
    "reasoning": (_reasoning, {"summary": [], "content": [], "encrypted_content": None}),
    "function_call": (_input("response.function_call_arguments", "arguments", "name"), {"arguments": ""}),
    "custom_tool_call": (_input("response.custom_tool_call_input", "input"), {"input": ""}),
    "mcp_call": (_input("response.mcp_call_arguments", "arguments"), {"arguments": "", "output": None}),
}
