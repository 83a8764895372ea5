"""Takes OpenCode's own system prompt out, so that the model does not get two sets of working rules.

Strategy: the prompt is known by how it begins, and ends where the context begins that OpenCode puts behind it: the
model line, the environment, project rules, skills, MCP instructions. Only what lies between a known beginning and a
known mark is removed. Whatever is not surely OpenCode's stays, since a prompt too many does less harm than a user's
words lost. Read off OpenCode 1.1.65, 1.3.2 and 1.18.33 on the wire; older releases began with "You are a coding
agent running in the opencode".
"""

import re
from typing import Any

_PROMPT_PREFIXES = (
    "you are opencode,",
    "you are a coding agent running in the opencode",
    "you are a coding agent running in opencode",
    "you are an ai agent powered by opencode",
)
_LONGEST_OPENING = max(map(len, _PROMPT_PREFIXES))

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
_MARK_LINE = re.compile("\n(?:" + "|".join(map(re.escape, _CONTEXT_MARKERS)) + ")")

# No prompt of OpenCode's is half as long. The bound keeps the search short in a message of megabytes.
_LONGEST = 32_768


def strip_system_prompt(items: list[dict[str, Any]]) -> None:
    """Remove OpenCode's prompt from the leading developer messages, which must be in full form.

    A prompt without a mark in the same text goes only if the text right after it begins with a mark. Works from the
    last leading message to the first, so that doing it again changes nothing.
    """
    leading = 0
    while leading < len(items) and _is_system(items[leading]):
        leading += 1
    following: str | None = None
    for index in reversed(range(leading)):
        parts: list[dict[str, Any]] = items[index]["content"]
        texts = [at for at, part in enumerate(parts) if type(part.get("text")) is str]
        if not texts:
            following = None
            continue
        first = texts[0]
        text: str = parts[first]["text"]
        if _is_opencode_prompt(text):
            mark = _find_mark(text)
            after = parts[texts[1]]["text"] if len(texts) > 1 else following
            if mark:
                parts[first]["text"] = text[mark:]
            elif after is not None and after.startswith(_CONTEXT_MARKERS):
                del parts[first]
                if not parts:
                    del items[index]
                    continue
        following = next((part["text"] for part in parts if type(part.get("text")) is str), None)


def _is_system(item: dict[str, Any]) -> bool:
    return bool(item["type"] == "message" and item["role"] == "developer")


def _is_opencode_prompt(text: str) -> bool:
    return text[: 2 * _LONGEST_OPENING].lstrip().lower().startswith(_PROMPT_PREFIXES)


def _find_mark(text: str) -> int | None:
    """Where the first line that is a context mark begins."""
    found = _MARK_LINE.search(text, 0, _LONGEST)
    return found.start() + 1 if found else None
