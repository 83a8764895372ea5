"""Fingerprints of requests, to see what changed: a hash and a size of each part, none of its content.

The parts are in the order in which they go into the prompt: instructions, tools, input items. What comes after the
first part that differs cannot come from a prompt cache, which serves exact prefixes only (OpenAI's guide "Prompt
caching").
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codex_transform.jsonio import dumps
from codex_transform.request.raw_items import Item

_MAX_NAME = 100  # characters


class Fingerprint(NamedTuple):
    """A request's model and effort, and the hashes of its parts; `sizes` are the bytes of each part in their order.

    The hashes are Python's own, of 8 bytes: with a new key in each process, and meaningless outside it.
    """

    model: str
    effort: str
    instructions: int
    tools: tuple[tuple[str, int], ...]
    items: "array[int]"
    sizes: "array[int]"

    @property
    def size(self) -> int:
        """The bytes of the whole prompt."""
        return sum(self.sizes)

    @property
    def prefix_key(self) -> tuple[object, ...]:
        """The model and what comes before the items: requests with the same head share a cache."""
        return self.model, self.instructions, self.tools

    def same_items(self, other: "Fingerprint") -> int:
        """Return how many items both begin with."""
        return _common_prefix(self.items, other.items)

    def same_tools(self, other: "Fingerprint") -> int:
        """Return how many tools both begin with."""
        return _common_prefix(self.tools, other.tools)


def fingerprint(request: Mapping[str, Any]) -> Fingerprint:
    """Return the fingerprint of a Responses API request, the client's or the one that is sent. This never raises."""
    reasoning, tools = request.get("reasoning"), _list(request.get("tools"))
    instructions, tools_json = dumps(request.get("instructions")), [dumps(tool) for tool in tools]
    items = [item.fingerprint if type(item) is Item else _of_json(dumps(item)) for item in items_of(request)]
    return Fingerprint(
        str(request.get("model"))[:_MAX_NAME],
        str(reasoning.get("effort") or "default")[:_MAX_NAME] if isinstance(reasoning, dict) else "default",
        hash(instructions),
        tuple((tool_name(tool), hash(content)) for tool, content in zip(tools, tools_json, strict=True)),
        array("q", [item_hash for item_hash, _ in items]),
        array("q", [len(instructions), *map(len, tools_json), *[size for _, size in items]]),
    )


def items_of(request: Mapping[str, Any]) -> list[Any]:
    """Return the items of a request's input; a text is one item."""
    items = request.get("input")
    return [items] if isinstance(items, str) else _list(items)


def tool_name(tool: object) -> str:
    """Return the name of a tool; the API's own tools have only a type."""
    name = (tool.get("name") or tool.get("type")) if isinstance(tool, dict) else None
    return name[:_MAX_NAME] if isinstance(name, str) else "unnamed"


def item_kind(item: object) -> str:
    """Return the kind of an item: its type, for a message its role."""
    if not isinstance(item, Mapping):
        return "text"
    kind = item.get("type") or "message"
    role = item.get("role")
    return str(role if kind == "message" and role else kind)


def _of_json(content: bytes) -> tuple[int, int]:
    return hash(content), len(content)


def _common_prefix(ours: Sequence[object], theirs: Sequence[object]) -> int:
    shorter = min(len(ours), len(theirs))
    if ours[:shorter] == theirs[:shorter]:  # as nearly always, and seen much faster than one by one
        return shorter
    return next((index for index in range(shorter) if ours[index] != theirs[index]), shorter)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
