"""What is remembered of a request to see later what changed: a hash and a size of each part, none of its content.

The parts stand in the order in which they go into the prompt: instructions, tools, input items. What comes after the
first part that differs cannot come out of a prompt cache, which serves exact prefixes only (OpenAI's guide "Prompt
caching").
"""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from codex_transform.jsonio import dumps

_LONGEST = 100  # characters of a name that are kept


class Fingerprint(NamedTuple):
    """A request's model and effort, and the hashes of its parts; `sizes` are the bytes of each part in their order.

    Hashes are Python's own of 8 bytes: keyed anew in each process, and good for nothing outside of it.
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
        """What stands before the items, and the model that it is for: these have a cache in common."""
        return self.model, self.instructions, self.tools

    def same_items(self, other: "Fingerprint") -> int:
        """How many items both begin with."""
        return _same(self.items, other.items)

    def same_tools(self, other: "Fingerprint") -> int:
        """How many tools both begin with."""
        return _same(self.tools, other.tools)


def fingerprint(request: Mapping[str, Any]) -> Fingerprint:
    """Return the fingerprint of a Responses API request, the client's or the one that is sent. Raises nothing."""
    reasoning, tools = request.get("reasoning"), _list(request.get("tools"))
    instructions, written = _json(request.get("instructions")), [_json(tool) for tool in tools]
    sizes = array("q", [len(instructions), *map(len, written)])
    hashes = array("q")
    for item in items_of(request):
        content = _json(item)
        hashes.append(hash(content))
        sizes.append(len(content))
    return Fingerprint(
        str(request.get("model"))[:_LONGEST],
        str(reasoning.get("effort") or "default")[:_LONGEST] if isinstance(reasoning, dict) else "default",
        hash(instructions),
        tuple((tool_name(tool), hash(content)) for tool, content in zip(tools, written, strict=True)),
        hashes,
        sizes,
    )


def items_of(request: Mapping[str, Any]) -> list[Any]:
    """Return the items of a request's input; a text is one."""
    given = request.get("input")
    return [given] if isinstance(given, str) else _list(given)


def tool_name(tool: object) -> str:
    """Return what a tool is called; one of the API's own has no name but its type."""
    name = (tool.get("name") or tool.get("type")) if isinstance(tool, dict) else None
    return name[:_LONGEST] if isinstance(name, str) else "unnamed"


def item_kind(item: object) -> str:
    """Return what kind of item it is: its type, for a message its role."""
    if not isinstance(item, dict):
        return "text"
    kind = item.get("type") or "message"
    role = item.get("role")
    return str(role if kind == "message" and role else kind)


def _same(ours: Sequence[object], theirs: Sequence[object]) -> int:
    shorter = min(len(ours), len(theirs))
    return next((index for index in range(shorter) if ours[index] != theirs[index]), shorter)


def _json(value: Any) -> bytes:
    return dumps(value)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
