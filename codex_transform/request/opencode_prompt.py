"""Remove OpenCode's own system prompt, so that the model does not get two sets of working rules.

Strategy: the prompt is recognized by its first words, and ends where the context begins that OpenCode appends: the
model line, the environment, project rules, skills, MCP instructions. Only what lies between a known prefix and a
known marker is removed. Whatever may not be OpenCode's stays, because an extra prompt does less harm than the loss of
a user's words. Taken from the wire with OpenCode 1.0.185, 1.1.11, 1.1.65, 1.3.2 and 1.18.33, and the preview of 2, for
every kind of model that they have a prompt of their own for: no line of a prompt begins like a marker.
"""

import re
from collections.abc import Mapping
from typing import Any

from codex_transform.request.changes import Changes

_CONTEXT_MARKERS = (
    "You are powered by the model named",
    "Here is some useful information",
    "<env>",
    "<environment",
    "<directories>",
    "<files>",
    "<project>",
    "Working directory:",
    "Project references provide",
    "<available_references>",
    "Instructions from:",
    "<instructions>",
    "# AGENTS",
    "# Project",
    "<mcp_instructions>",
    "Skills provide specialized",
    "<available_skills>",
)
# The prompt of OpenCode 1.0 and 1.1 for Codex models has a chapter on such files, whose heading is not a file's.
_NO_MARKER = "# AGENTS.md spec"
_MARKER_LINE = re.compile(f"\n(?!{re.escape(_NO_MARKER)})(?:{'|'.join(map(re.escape, _CONTEXT_MARKERS))})")

# No prompt of OpenCode's is half as long. The limit keeps the search short in a message of megabytes.
_MAX_PROMPT = 32_768

_REASON = "OpenCode's own system prompt is removed (CODEX_MODE); the context behind it stays."


def strip_system_prompt(
    items: list[Mapping[str, Any]], prefixes: tuple[str, ...], changes: Changes
) -> list[Mapping[str, Any]]:
    """Remove OpenCode's prompt from the leading developer messages, which must be in full form.

    `prefixes` is how the client's prompts begin, in lower case. Return the messages of which nothing is left.

    A prompt without a marker in the same text is removed only if the next text begins with one. The messages are
    taken from the last to the first, so that a second time changes nothing.
    """
    leading = 0
    while leading < len(items) and _is_developer(items[leading]):
        leading += 1
    removed = []
    following: str | None = None
    for index in reversed(range(leading)):
        item = items[index]
        parts: list[dict[str, Any]] = item["content"]
        texts = [position for position, part in enumerate(parts) if type(part.get("text")) is str]
        if not texts:
            following = None
            continue
        first = texts[0]
        text: str = parts[first]["text"]
        if _begins_with(text, prefixes):
            marker = _find_marker(text)
            after = parts[texts[1]]["text"] if len(texts) > 1 else following
            if marker:
                parts = [*parts[:first], {**parts[first], "text": text[marker:]}, *parts[first + 1 :]]
                items[index] = {**item, "content": parts}
                changes.note_items("changed", ".content[*].text", _REASON, (index,))
            elif after is not None and after.startswith(_CONTEXT_MARKERS):
                if len(parts) == 1:
                    removed.append(items[index])
                    changes.delete_item(items, index, _REASON)
                    continue
                parts = [*parts[:first], *parts[first + 1 :]]
                items[index] = {**item, "content": parts}
                changes.note_items("changed", ".content[*]", _REASON, (index,))
        following = next((part["text"] for part in parts if type(part.get("text")) is str), None)
    return removed


def _is_developer(item: Mapping[str, Any]) -> bool:
    return bool(item["type"] == "message" and item["role"] == "developer")


def _begins_with(text: str, prefixes: tuple[str, ...]) -> bool:
    return text[: 2 * max(map(len, prefixes))].lstrip().lower().startswith(prefixes)


def _find_marker(text: str) -> int | None:
    """Return where the first line begins that is a context marker."""
    match = _MARKER_LINE.search(text, 0, _MAX_PROMPT)
    return match.start() + 1 if match else None
