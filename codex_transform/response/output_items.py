"""What a stream has reported of its output items, to fill in what it leaves out later.

Strategy: well-made streams leave nothing out, so items are only kept as the bytes of their events; they are parsed when
something is missing for the first time. The memory is bounded; beyond that, the rest of the response is forwarded
without the repairs that need them.
"""

from collections.abc import Mapping
from typing import Any

from codex_transform import jsonio
from codex_transform.response import sse

# How the OpenAI API's own ids begin, by item type.
_ID_PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "local_shell_call": "lsh",
    "web_search_call": "ws",
    "image_generation_call": "ig",
}

# Items that the API reference gives a `status`; clients take a tool call for finished by it.
_WITH_STATUS = frozenset({"message", "function_call", "custom_tool_call", "local_shell_call", "web_search_call"})


class OutputItems:
    """Remembers the `output_item` events of one answer."""

    def __init__(self, limit: int = sse.LIMIT) -> None:
        self._room = limit
        self._unread: list[bytes] = []
        self._finished: list[bytes] = []
        self._ids: dict[int, str] = {}
        self._latest = 0
        self._open = 0

    def begin(self, block: bytes) -> None:
        """Take the event that added an item; `block` is all of it."""
        self._open += 1
        if self._fits(block):
            self._unread.append(block)

    def finish(self, block: bytes) -> None:
        """Take the event that completed an item; `block` is all of it."""
        self._open -= 1
        if self._fits(block):
            self._unread.append(block)
            self._finished.append(block)

    def finished(self) -> list[Any]:
        """Return the complete items, in the order of their `output_index`; empty when they were too big to keep."""
        if self._room < 0:
            return []
        events = [event for block in self._finished if (event := _event(block))]
        return [event["item"] for event in sorted(events, key=_index)]

    def is_whole(self) -> bool:
        """Return whether every item that was begun is complete, and the last one is more than a thought."""
        items = self.finished() if self._open <= 0 else []
        return bool(items) and isinstance(items[-1], dict) and items[-1].get("type") != "reasoning"

    def complete(self, event: dict[str, Any]) -> set[str]:
        """Fill in what an `output_item` event lacks of `output_index`, `item.id` and `item.status`; their names."""
        self._read()
        missing: set[str] = set()
        item = event.get("item")
        if not isinstance(item, dict):
            return missing
        if type(event.get("output_index")) is not int:
            begun = event["type"] == "response.output_item.added"
            event["output_index"] = len(self._ids) if begun else self._index_of(item.get("id"), len(self._finished))
            missing.add("output_index")
        if not _is_text(item.get("id")):
            index = event["output_index"]
            prefix = _ID_PREFIXES.get(str(item.get("type")), "item")
            item["id"] = self._ids.get(index, f"{prefix}_{index}")
            missing.add("item_id")
        finished = event["type"] == "response.output_item.done"
        if finished and not item.get("status") and str(item.get("type")) in _WITH_STATUS:
            item["status"] = "completed"
            missing.add("status")
        return missing

    def locate(self, event: dict[str, Any]) -> None:
        """Fill in what an event about an item lacks of `item_id` and `output_index`."""
        self._read()
        if type(event.get("output_index")) is not int:
            event["output_index"] = self._index_of(event.get("item_id"), self._latest)
        if not _is_text(event.get("item_id")):
            index = event["output_index"]
            event["item_id"] = self._ids.get(index, f"item_{index}")

    def _fits(self, block: bytes) -> bool:
        self._room -= len(block)
        return self._room >= 0

    def _read(self) -> None:
        for block in self._unread:
            if event := _event(block):
                self._latest = _index(event)
                self._ids[self._latest] = str(event["item"].get("id"))
        self._unread.clear()

    def _index_of(self, item_id: Any, otherwise: int) -> int:
        return next((index for index, each in self._ids.items() if each == item_id), otherwise)


def _event(block: bytes) -> dict[str, Any] | None:
    event = jsonio.loads_object(sse.parse(block).data or b"")
    return event if event and isinstance(event.get("item"), dict) else None


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("output_index")
    return index if type(index) is int else 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""
