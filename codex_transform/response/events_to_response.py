"""Make an event stream the one response object of a client that does not stream.

Strategy: the endpoint's stream is rewritten as for a client that streams, so what is combined here is a standard
stream, whatever the endpoint sent. The final event holds the response; its output is what the `output_item.done` events
brought, and for an item that was never done, what its deltas add up to.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from codex_transform import jsonio
from codex_transform.response import body_errors, sse
from codex_transform.response.stream import ResponseStream

Event = dict[str, Any]

# Where the text of a delta belongs: the member of its item that lists the parts, the member of the event that says
# which part, the part's type, and its member.
_PARTS = {
    "response.output_text.delta": ("content", "content_index", "output_text", "text"),
    "response.refusal.delta": ("content", "content_index", "refusal", "refusal"),
    "response.reasoning_text.delta": ("content", "content_index", "reasoning_text", "text"),
    "response.reasoning_summary_text.delta": ("summary", "summary_index", "summary_text", "text"),
}

# The same for tool calls, whose input is a member of the item itself.
_INPUTS = {
    "response.function_call_arguments.delta": "arguments",
    "response.custom_tool_call_input.delta": "input",
    "response.mcp_call_arguments.delta": "arguments",
}

_DELTAS = [*_PARTS, *_INPUTS]

_ENDS = ("response.completed", "response.incomplete")

# What an item is whose beginning is missing, by the list of parts that it has.
_MISSING_ITEM = {"content": {"type": "message", "role": "assistant"}, "summary": {"type": "reasoning"}}


class CollectedAnswer(NamedTuple):
    """An answer whose `body` has come as a whole, and the standard `stream` that it was rewritten to."""

    body: bytes
    answer: ResponseStream
    stream: bytes


def collect(body: bytes, answer: ResponseStream) -> CollectedAnswer:
    """Read a body. `answer` has seen nothing yet, and knows the facts afterwards.

    Raises ApiError, with the status that belongs to it, for an error or a response that failed, and 502 for an answer
    that was cut off or is none.
    """
    stream = answer.feed(body) + answer.finish()
    if answer.error:
        raise answer.error
    return CollectedAnswer(body, answer, stream)


def events_to_response(collected: CollectedAnswer) -> dict[str, Any]:
    """Return the response object that an answer is or streams. Raises ApiError 502 if it cannot be read."""
    events = list(_events(collected.stream))
    response = next((event.get("response") for event in events if event.get("type") in _ENDS), None)
    if not isinstance(response, dict) or not isinstance(response.get("output"), list):
        # An event beyond the limit passes a stream as it came; there is no telling what it holds.
        raise body_errors.truncated("The answer ended with an event that is too large to be read.")
    output = _output(events, str(response.get("status")))
    if len(output) >= len(response["output"]):
        response["output"] = output
    return response


def _events(stream: bytes) -> Iterator[Event]:
    for block in sse.split(stream):
        if event := jsonio.loads_object(sse.parse(block).data or b""):
            yield event


def _output(events: list[Event], status: str) -> list[Event]:
    """Return the items of a stream in the order of their `output_index`; `status` is for those that were never done."""
    done: list[tuple[int, Event]] = []
    growing: dict[int, _PartialItem] = {}
    ended = set()
    for event in events:
        kind, index, item = event.get("type"), event.get("output_index"), event.get("item")
        if type(index) is not int:
            continue
        if kind == "response.output_item.done" and isinstance(item, dict):
            done.append((index, item))
            growing.pop(index, None)
            ended.add(index)
        elif kind == "response.output_item.added" and isinstance(item, dict):
            growing[index] = _PartialItem(item)
            ended.discard(index)
        elif kind in _DELTAS and isinstance(event.get("delta"), str) and index not in ended:
            growing.setdefault(index, _PartialItem({})).add(event)
    unfinished = [(index, item) for index, begun in growing.items() if (item := begun.item(status))]
    return [item for _, item in sorted(done + unfinished, key=lambda indexed: indexed[0])]


class _PartialItem:
    """An item that was not done yet: how it began, `{}` if that is missing, and the deltas since."""

    def __init__(self, begun: Event) -> None:
        self._begun = begun
        self._texts: dict[tuple[str, int], list[str]] = {}
        self._id: Any = None

    def add(self, event: Event) -> None:
        """Add a delta of this item."""
        kind = event["type"]
        part = event.get(_PARTS[kind][1]) if kind in _PARTS else 0
        self._texts.setdefault((kind, part if type(part) is int else 0), []).append(event["delta"])
        self._id = event.get("item_id")

    def item(self, status: str) -> Event | None:
        """Return the item that the deltas add up to, None if there were none."""
        item = dict(self._begun)
        for (kind, _), deltas in sorted(self._texts.items()):
            if kind in _PARTS:
                parts, _, of_type, member = _PARTS[kind]
                if not item:
                    item = {"id": self._id, **_MISSING_ITEM[parts]}
                part: Event = {"type": of_type, member: "".join(deltas)}
                if of_type == "output_text":
                    part["annotations"] = []
                begun = item.get(parts)
                item[parts] = [*(begun if isinstance(begun, list) else ()), part]
            elif kind in _INPUTS and item:
                item[_INPUTS[kind]] = "".join(deltas)
        return {**item, "status": status} if item and self._texts else None
