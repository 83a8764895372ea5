"""What the user wants, read out of a request: no more cleverness than a demo needs.

Strategy: only the user's last message counts, and only whole sentences of a few fixed forms are understood
("write X to F", "run C", "read F", "use TOOL", "count to N"), joined by "then" for one after the other and by
"and also" for calls in one answer. Anything else gets a friendly answer in words.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codex_transform.jsonio import loads
from codex_transform.sandbox.toolcalls import Action, Read, Run, Use, Write, tools_of

# The patterns below take time quadratic in a run of spaces, and nobody writes such a long sentence.
LONGEST = 2000

_START = r"(?:please,?\s+)?"
_PATH = r"[`\"']?(?P<path>[^\s`\"'<>]+?)[`\"']?"
_FILE_AS = r"(?:(?:a|the)\s+)?(?:new\s+)?(?:file\s+)?(?:(?:called|named)\s+)?"
_FILE = _FILE_AS + _PATH
_WHAT = r"(?:the\s+)?(?:(?:text|words?|lines?|contents?)\b:?\s*)?(?:exactly\b:?\s*)?(?P<content>.+?)"

_FORMS = {
    "create": rf"{_START}(?:create|make|write|add)\s+(?:a\s+|the\s+)?(?:new\s+)?file\s+(?:(?:called|named)\s+)?"
    rf"{_PATH}\s+(?:with|containing|saying|that\s+says)\s+{_WHAT}",
    "write": rf"{_START}(?:write|put|save)\s+{_WHAT}\s+(?:in)?to\s+{_FILE}[.!]?",
    # With a file whose name ends like one, "in" will do, and more may be said.
    "write in": rf"{_START}(?:write|put|save)\s+{_WHAT}\s+(?:into|to|in)\s+{_FILE_AS}"
    r"[`\"']?(?P<path>[^\s`\"'<>]+\.\w{1,8})[`\"']?(?:[.!]?|[,.;]?\s.+)",
    "run": rf"{_START}(?:run|execute)\s+(?:(?:the\s+)?(?:shell\s+)?command:?\s+)?(?P<command>.+)",
    "read": rf"{_START}(?:read|show(?:\s+me)?|cat|open)\s+{_FILE}[.!]?",
    "use": rf"{_START}(?:use|call)\s+(?:the\s+)?(?:tool\s+)?(?P<tool>[\w.-]+)(?:\s+tool)?(?:\s+with\s+(?P<with>.+))?",
}
_SPEECH = {name: re.compile(form, re.IGNORECASE | re.DOTALL) for name, form in _FORMS.items()}
_FOLDER = re.compile(r"(?:Working directory:[ \t]*|<cwd>)([^\n<]+)")
_TAG = re.compile(r"<[^<>]*>")


@dataclass(frozen=True, slots=True)
class Output:
    """A tool's output: the name that it was called by, and the text."""

    tool: str
    text: str


@dataclass(frozen=True, slots=True)
class Intent:
    """The user's last prompt.

    The tool outputs that came since, the actions it asks for in rounds (each round is one answer), whether only a title
    is wanted, and the client's folder if it is told.
    """

    prompt: str
    outputs: tuple[Output, ...]
    rounds: tuple[tuple[Action, ...], ...]
    title: bool
    folder: str | None

    def next_round(self) -> tuple[Action, ...]:
        """Return the actions of the next answer, by the number of outputs that have come; none when all are done."""
        done = len(self.outputs)
        for actions in self.rounds:
            if done < len(actions):
                return actions
            done -= len(actions)
        return ()


def read_intent(request: Mapping[str, Any]) -> Intent:
    """Read a checked request."""
    items = request["input"]
    spoken = [(index, texts) for index, item in enumerate(items) if (texts := _said_by("user", item))]
    index, texts = next((each for each in reversed(spoken) if _plain(each[1])), (-1, [""]))
    calls = {item.get("call_id"): item for item in items if str(item.get("type")).endswith("_call")}
    outputs = tuple(
        Output(_tool(calls.get(item.get("call_id"), {})), _text(item.get("output")))
        for item in items[index + 1 :]
        if str(item.get("type")).endswith("_output")
    )
    prompt = _unquote(_plain(texts) or texts[0])
    folder = next((found for item in items for text in _said_by(None, item) if (found := _FOLDER.search(text))), None)
    asks_title = any(re.search(r"\btitle\b", text, re.IGNORECASE) for item in items for text in _said_by(None, item))
    return Intent(
        prompt=prompt,
        outputs=outputs,
        rounds=_rounds(prompt) if len(prompt) <= LONGEST else (),
        title=asks_title and not tools_of(request),
        folder=folder and folder.group(1).strip(),
    )


def words(text: str) -> str:
    """Return the text without tags, on one line."""
    return " ".join(_TAG.sub(" ", text).split())


def _rounds(prompt: str) -> tuple[tuple[Action, ...], ...]:
    rounds = [
        [_action(part) for part in re.split(r",?\s+and\s+also\s+", sentence)]
        for sentence in re.split(r",?\s+(?:and\s+)?then\s+", prompt)
    ]
    # A text that merely contains such a word is not split.
    if any(None in actions for actions in rounds):
        rounds = [[_action(prompt)]]
    return tuple(tuple(action for action in actions if action) for actions in rounds if any(actions))


def _action(text: str) -> Action | None:
    text = text.strip()
    for name in ("create", "write", "write in"):
        if match := _SPEECH[name].fullmatch(text):
            return Write(match["path"], _unquote(match["content"]))
    if match := _SPEECH["run"].fullmatch(text):
        return Run(_unquote(match["command"]))
    if match := _SPEECH["read"].fullmatch(text):
        return Read(match["path"])
    if match := _SPEECH["use"].fullmatch(text):
        return _use(match["tool"], match["with"])
    return None


def _use(tool: str, text: str | None) -> Use:
    if text is None:
        return Use(tool)
    try:
        arguments = loads(text)
    except ValueError:
        return Use(tool, text=_unquote(text))
    return Use(tool, arguments=arguments) if isinstance(arguments, dict) else Use(tool, text=text)


def _said_by(role: str | None, item: Mapping[str, Any]) -> list[str]:
    content = item.get("content")
    if role not in (None, item.get("role")) or not isinstance(content, list):
        return []
    return [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]


def _plain(texts: list[str]) -> str:
    """Return the first text that a person wrote: clients add others, wrapped in tags."""
    return next((text for text in texts if text.strip() and not text.lstrip().startswith("<")), "")


def _tool(call: Mapping[str, Any]) -> str:
    return str(call.get("name") or call.get("type") or "a tool")


def _text(output: object) -> str:
    if isinstance(output, list):
        return "\n".join(str(part.get("text", "")) for part in output if isinstance(part, dict))
    return str(output)


def _unquote(text: str) -> str:
    text = text.strip()
    # A client's quotes around a person's; a text of nothing but quotes has no end to this.
    for _ in range(3):
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
            text = text[1:-1].strip()
    return text
