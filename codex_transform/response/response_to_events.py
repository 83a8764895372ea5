"""A response object becomes the events that would have streamed it.

Strategy: `item_growth` says how each item grew; the beginning and the end of the response, and the numbers, are added
here.
"""

from collections.abc import Mapping
from typing import Any

from codex_transform import jsonio
from codex_transform.response import sse
from codex_transform.response.item_growth import grow

Event = dict[str, Any]


def response_to_events(response: Mapping[str, Any]) -> list[Event]:
    """Return the events of `response`, numbered from 0; the last one holds it unchanged.

    `fold` of them gives `response` again, if it was completed or incomplete.
    """
    status = response.get("status")
    begun = {**response, "status": "in_progress", "output": [], "usage": None, "error": None}
    begun |= {"incomplete_details": None, "completed_at": None}
    events: list[Event] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    output = response.get("output")
    for index, item in enumerate(output if isinstance(output, list) else ()):
        if isinstance(item, dict):
            events += grow(index, item)
    end = f"response.{status}" if status in ("incomplete", "failed") else "response.completed"
    events.append({"type": end, "response": dict(response)})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def response_to_stream(response: Mapping[str, Any]) -> bytes:
    """Return the same as the bytes of an event stream."""
    return b"".join(sse.render(event["type"], jsonio.dumps(event)) for event in response_to_events(response))
