"""Tool outputs whose call is not in the input.

The backend rejects such an item, and a client that sends it in every request would be stuck. The text must not be
lost either, so it becomes a message of the assistant's. Outputs pair with calls by `call_id` and type, as in the
Codex CLI: `x_call_output` answers `x_call`, and `function_call_output` answers a `local_shell_call` as well.
"""

import json
from collections.abc import Mapping
from typing import Any

MAX_OUTPUT_CHARS = 16_000
"""Characters of one output that are kept."""

ORPHAN = (
    "Codex endpoints reject a tool output without its call: it becomes a message, of which at most"
    f" {MAX_OUTPUT_CHARS:,} characters are kept."
)
"""Why a tool output becomes a message."""

_TEXTS = ("input_text", "output_text", "text")


def find_orphans(call_ids: Mapping[str, list[str | None]]) -> dict[str, set[str | None]]:
    """Return the call ids of outputs without a call, by item type, from the call ids of all items by their type."""
    orphans: dict[str, set[str | None]] = {}
    for kind, ids in call_ids.items():
        if not kind.endswith("_output"):
            continue
        calls = [call_ids.get(call, []) for call in _calls(kind)]
        # In most conversations the outputs come in the order of their calls; comparing costs less than hashing.
        if ids == calls[0]:
            continue
        uncalled = set(ids).difference(*calls)
        if not kind.endswith("_call_output"):
            uncalled.discard(None)  # such as tool_search_output of a search that the server made
        if uncalled:
            orphans[kind] = uncalled
    return orphans


def orphan_text(item: Mapping[str, Any]) -> str:
    """Return the text of an output below a line that says what it is. A text over 16,000 characters is truncated."""
    name = item.get("name")
    call = " ".join(each for each in (name, item.get("call_id")) if type(each) is str)
    text = _text(item.get("output"))
    if len(text) > MAX_OUTPUT_CHARS:
        text = f"{text[:MAX_OUTPUT_CHARS]}\n[cut: {len(text) - MAX_OUTPUT_CHARS} more characters]"
    return f"[result of an earlier tool call{call and ' ' + call}]\n{text}"


def _calls(kind: str) -> tuple[str, ...]:
    if kind == "function_call_output":
        return ("function_call", "local_shell_call")
    stem = kind.removesuffix("_output")
    return (stem if stem.endswith("_call") else f"{stem}_call",)


def _text(output: Any) -> str:
    if isinstance(output, str):
        return output
    if isinstance(output, list):
        return "\n".join(_part(part) for part in output)
    return "" if output is None else _json(output)


def _part(part: Any) -> str:
    if isinstance(part, dict):
        kind = part.get("type")
        if kind in _TEXTS and isinstance(part.get("text"), str):
            return str(part["text"])
        if kind == "input_image":
            return "[image left out]"
    return part if isinstance(part, str) else _json(part)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
