"""The sandbox's answers: from a request to its output items.

Strategy: reasoning first, as a model would, then either the tool calls whose turn it is or one message. Every text
for a person begins with a mark, and every id carries the word sandbox, so that nobody takes it for a real answer. Where
the request asks for JSON, the message is JSON that fits its schema.
"""

import base64
import re
import secrets
from collections.abc import Mapping
from typing import Any

from codex_transform.jsonio import dumps, loads
from codex_transform.sandbox.intent import Intent, Output, read_intent, words
from codex_transform.sandbox.schema import example
from codex_transform.sandbox.toolcalls import Action, Item, Read, Run, Tool, Use, Write, call, name_of, new_id, tools_of

MARK = "[sandbox]"

_COUNT = re.compile(r"(?:please,?\s+)?count\s+to\s+(\d{1,7})[.!]?", re.IGNORECASE)
_GREETING = re.compile(r"\b(?:hello|hi|hey|good (?:morning|evening|day))\b", re.IGNORECASE)
_SUMMARISED = re.compile(r"<text>(.*)</text>", re.DOTALL)
_EXIT_STATUS = re.compile(r"exit(?:ed)?(?: with)?(?: status| code)?[:=]? *(\d+)", re.IGNORECASE)
_COMPLAINT = re.compile(
    r"\W*(?:error|failed|failure|invalid|denied|aborted|(?:\w+ )?rejected)\b"
    r"|.{0,200}\b(?:verification failed|no such file|(?:command|file) not found|rejected permission)\b",
    re.IGNORECASE | re.DOTALL,
)


def answer(request: Mapping[str, Any]) -> list[Item]:
    """Return the items of the answer to a checked request, finished."""
    if request["input"][-1]["type"] == "compaction_trigger":
        return [compaction()]
    intent = read_intent(request)
    tools = [] if request.get("tool_choice") == "none" else tools_of(request)
    actions = intent.next_round() or _forced(request, intent, tools)
    calls = [item for action in actions if (item := call(action, tools, intent.folder))]
    reasoning = _reasoning(request, "Choosing a tool" if calls else "Finding the words")
    if calls:
        return reasoning + calls
    text = f"{MARK} {_words(intent, actions, tools)}"
    return [*reasoning, message(_formatted(request, text))]


def compaction() -> Item:
    """Return the items of a compacted history."""
    return {"type": "compaction", "id": new_id("cmp"), "encrypted_content": fake_encrypted()}


def message(text: str) -> Item:
    """Return a finished assistant message."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {
        "type": "message",
        "id": new_id("msg"),
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }


def fake_encrypted() -> str:
    """Return a stand-in for encrypted reasoning: meaningless, and different each time."""
    return base64.b64encode(b"sandbox:" + secrets.token_bytes(96)).decode()


def _reasoning(request: Mapping[str, Any], thought: str) -> list[Item]:
    settings = request.get("reasoning") or {}
    if settings.get("effort") in (None, "none"):
        return []
    item: Item = {"type": "reasoning", "id": new_id("rs"), "summary": []}
    if settings.get("summary") not in (None, "none"):
        text = f"**{thought}**\n\n{MARK} There is no thinking here: this answer follows a script."
        item["summary"] = [{"type": "summary_text", "text": text}]
    if "reasoning.encrypted_content" in (request.get("include") or ()):
        item["encrypted_content"] = fake_encrypted()
    return [item]


def _formatted(request: Mapping[str, Any], text: str) -> str:
    """Return the text, or what takes its place where the answer is to be JSON."""
    format_ = (request.get("text") or {}).get("format") or {}
    if format_.get("type") == "json_schema":
        schema = format_["schema"]
        return dumps(example(schema, schema)).decode()
    return dumps({"text": text}).decode() if format_.get("type") == "json_object" else text


def _forced(request: Mapping[str, Any], intent: Intent, tools: list[Tool]) -> tuple[Action, ...]:
    choice = request.get("tool_choice")
    if choice == "required" and tools and not intent.outputs:
        return (Use(name_of(tools[0])),)
    if isinstance(choice, dict) and isinstance(choice.get("name"), str) and not intent.outputs:
        return (Use(choice["name"]),)
    return ()


def _words(intent: Intent, actions: tuple[Action, ...], tools: list[Tool]) -> str:
    if intent.title:
        prompt = intent.prompt[:2000]
        match = _SUMMARISED.search(prompt)
        return words(match.group(1) if match else prompt)[:40].strip(" \"'").capitalize() or "Untitled"
    if actions:
        names = ", ".join(name_of(tool) for tool in tools) or "none"
        return f"I would {_tell(actions[0])}, but no tool of this request can do it. Its tools: {names}."
    if intent.outputs:
        return "\n".join(_report(output) for output in intent.outputs)
    if counted := _COUNT.fullmatch(intent.prompt):
        return " ".join(map(str, range(1, int(counted.group(1)) + 1)))
    quoted = _quote(intent.prompt, 200)
    if _GREETING.search(intent.prompt):
        return f"Hello! You said {quoted}. I am a local stand-in for a Codex endpoint."
    return (
        f"You said {quoted}. I am a local stand-in for a Codex endpoint and cannot think. "
        "I do understand “write X to FILE”, “run COMMAND”, “read FILE”, “use TOOL” and “count to N”."
    )


def _tell(action: Action) -> str:
    match action:
        case Write():
            return f"write {action.path}"
        case Run():
            return f"run {_quote(action.command, 80)}"
        case Read():
            return f"read {action.path}"
        case Use():
            return f"call {action.tool}"


def _report(output: Output) -> str:
    verdict = "Done" if _worked(output.text) else "That did not work"
    return f"{verdict}: {output.tool} answered {_quote(output.text, 300)}."


def _worked(text: str) -> bool:
    """Return whether a tool's output reports success.

    Tools have no common form: an exit status counts most, wherever it is given, then how the text begins.
    """
    try:
        structured = loads(text)
    except ValueError:
        structured = None
    if isinstance(structured, dict) and isinstance(structured.get("metadata"), dict):
        return bool(structured["metadata"].get("exit_code", 0) == 0)
    if status := _EXIT_STATUS.search(text):
        return int(status.group(1)) == 0
    return not _COMPLAINT.match(text)


def _quote(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return f"“{text[:longest]}…”" if len(text) > longest else f"“{text}”"
