"""Which item of the client's became which item that was sent, and why.

Strategy: the steps of codex_transform/request keep the order of items, put at most two before them and take some out.
So both lists are walked side by side; two items belong together when the real steps make the one of the other, and
when nothing fits, a short look ahead tells whether something was put in or taken out. What fits no step of ours was
somebody else's doing: another addon, or a hand in mitmproxy.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from codex_transform.errors import ApiError
from codex_transform.request import opencode_prompt
from codex_transform.request.input_items import message, normalize_items
from codex_transform.request.orphan_outputs import MAX_OUTPUT_CHARS
from codex_transform.request.tool_bridge import bridge_message

Item = dict[str, Any]

OTHER = "No step of this release did that: another addon, somebody by hand, or another release of codex-transform."

BRIDGE = "The bridge: tells the model which tools it has here, made from the request's own tools."
MOVED = "What the client had in instructions, so that nothing of it is lost."
PROMPT = "OpenCode's own system prompt is taken out, because of CODEX_MODE; what follows it stays."
REFERENCE = "It points into a store that is not used."
ORPHAN = "Its call is not in the conversation, and endpoints refuse that; as a message its text is kept."
CUT = f" Over {MAX_OUTPUT_CHARS:,} characters it is cut."

ID = "Ids point into a store that is not used."
FORM = "The full form that the Codex CLI sends: a type, and a list of parts."
ROLE = "Codex endpoints have no system messages."

# How far to look for the place where two lists are alike again.
_AHEAD = 5


class Step(NamedTuple):
    """Item `before` of the client's became item `after`, for the reasons `why`; None where there is no such item."""

    before: int | None
    after: int | None
    why: tuple[str, ...]


def steps(original: Sequence[Any], sent: Sequence[Any], instructions: str | None, tools: Sequence[Any]) -> list[Step]:
    """Every item of both lists, in order; `why` is empty for one that was left as it was.

    `instructions` and `tools` are the client's. Raises nothing.
    """
    return list(_Walk(original, sent, instructions, tools).steps())


class _Walk:
    def __init__(
        self, original: Sequence[Any], sent: Sequence[Any], instructions: str | None, tools: Sequence[Any]
    ) -> None:
        self._original = original
        self._sent = sent
        self._moved = [message("developer", instructions)] if instructions else []
        self._notes = _notes(tools)
        self._forms: dict[int, list[Any]] = {}
        self._without_prompt = self._leading()

    def steps(self) -> Iterator[Step]:
        original, sent = self._original, self._sent
        at = to = 0
        while at < len(original) and to < len(sent):
            why = self._why(at, sent[to])
            if why is None:
                added, removed = self._resume(at, to)
                for _ in range(added):
                    yield self._added(to)
                    to += 1
                for _ in range(removed):
                    yield self._removed(at)
                    at += 1
                if added or removed:
                    continue
                why = (OTHER,)
            yield Step(at, to, why)
            at, to = at + 1, to + 1
        yield from map(self._removed, range(at, len(original)))
        yield from map(self._added, range(to, len(sent)))

    def _resume(self, at: int, to: int) -> tuple[int, int]:
        """How many items were put in and how many taken out here, (0, 0) if the one became the other."""
        if self._settled(at) == []:
            return 0, 1
        for far in range(1, _AHEAD):
            if to + far < len(self._sent) and self._why(at, self._sent[to + far]) is not None:
                return far, 0
            if at + far < len(self._original) and self._why(at + far, self._sent[to]) is not None:
                return 0, far
        # Something else entirely stands before the first item: the bridge, or the client's instructions.
        return (1, 0) if self._added(to).why != (OTHER,) else (0, 0)

    def _why(self, at: int, after: Any) -> tuple[str, ...] | None:
        """Return what makes the client's item this one; None when no step does."""
        before = self._original[at]
        if before == after:
            return ()
        if not isinstance(before, dict) or not isinstance(after, dict):
            return None
        if "id" in before and {name: value for name, value in before.items() if name != "id"} == after:
            return (ID,)
        if after in self._settled(at):
            if before.get("type") == "message" or "type" not in before or before["type"] is None:
                return tuple(_forms(before, after))
            return (ORPHAN + CUT if _is_cut(after) else ORPHAN,)
        shorter = self._without_prompt.get(at)
        return (*_forms(before, after), PROMPT) if shorter is not None and shorter == after else None

    def _added(self, to: int) -> Step:
        after = self._sent[to]
        if _text(after).partition("\n")[0] in self._notes:
            return Step(None, to, (BRIDGE,))
        if after in self._moved:
            return Step(None, to, (MOVED,))
        return Step(None, to, (MOVED, PROMPT)) if after == self._without_prompt.get(-1) else Step(None, to, (OTHER,))

    def _removed(self, at: int) -> Step:
        if self._settled(at) == []:
            return Step(at, None, (REFERENCE,))
        gone = at in self._without_prompt and self._without_prompt[at] is None
        return Step(at, None, (PROMPT if gone else OTHER,))

    def _leading(self) -> dict[int, Item | None]:
        """Return the leading developer messages as they are without OpenCode's prompt, by index.

        None for one that is gone.

        -1 stands for the client's instructions, which go before them.
        """
        found = {-1: _copy(self._moved[0])} if self._moved else {}
        for at, item in enumerate(self._original):
            settled = self._settled(at)
            if not settled:
                continue
            if (
                not isinstance(item, dict)
                or settled[0].get("type") != "message"
                or settled[0].get("role") != "developer"
            ):
                break
            found[at] = _copy(settled[0])
        left = list(found.values())
        opencode_prompt.strip_system_prompt(left)
        return {at: item if any(item is each for each in left) else None for at, item in found.items()}

    def _settled(self, at: int) -> list[Any]:
        """Return what `normalize_items` makes of an item of the client's alone."""
        if at not in self._forms:
            item = self._original[at]
            try:
                self._forms[at] = normalize_items([dict(item)]) if isinstance(item, dict) else [item]
            except ApiError:
                self._forms[at] = [item]
        return self._forms[at]


def _forms(before: Item, after: Item) -> Iterator[str]:
    if "id" in before:
        yield ID
    if before.get("type") is None or not isinstance(before.get("content"), list):
        yield FORM
    if before.get("role") != after.get("role"):
        yield ROLE


def _copy(item: Item) -> Item:
    """Return a copy that `prompt.remove` may change."""
    return {**item, "content": [dict(part) for part in item["content"]]}


def _notes(tools: Sequence[Any]) -> set[str]:
    """How the bridge begins, in both modes."""
    known = [tool for tool in tools if isinstance(tool, dict)]
    notes = (bridge_message(known, mode) for mode in (True, False))
    return {note.partition("\n")[0] for note in notes if note}


def _text(item: Any) -> str:
    parts = item.get("content") if isinstance(item, dict) and item.get("role") == "developer" else None
    first = parts[0] if isinstance(parts, list) and parts else None
    text = first.get("text") if isinstance(first, dict) else None
    return text if isinstance(text, str) else ""


def _is_cut(item: Item) -> bool:
    text = item["content"][0]["text"]
    return len(text) > MAX_OUTPUT_CHARS and text.endswith(" more characters]")
