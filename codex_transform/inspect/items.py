"""One item of a conversation, in words.

Strategy: every item has a title, a text, and notes on what is not text. `describe` chooses them by the item's type;
an item of an unknown type is shown as JSON. Names and members as in OpenAI's API reference, "Responses". Items are
untrusted: a member whose type differs from the reference counts as absent.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from codex_transform.text import format_bytes, format_count, one_line

Item = Mapping[str, Any]

_MAX_NAME = 64


class Described(NamedTuple):
    """The description of an item. `form` is the kind of `text`; text of the form `json` may be truncated."""

    title: str
    text: str = ""
    notes: tuple[str, ...] = ()
    form: Literal["prose", "code", "json"] = "prose"


def describe(item: Any) -> Described:
    """Return the description of one item of an input or output. Raises nothing."""
    if not isinstance(item, Mapping):
        return Described("no item", _json(item), (), "json")
    kind = text_of(item.get("type")) or "message"
    if kind == "message":
        parts = _parts(item.get("content"))
        return Described(_titled(text_of(item.get("role")) or "message"), _texts(parts), tuple(_notes(parts)))
    if kind == "reasoning":
        return _reasoning(item)
    if kind.endswith("_output"):
        return _output(kind, item)
    if kind in _CALLS:
        words, member = _CALLS[kind]
        argument = item.get(member)
        text = argument if isinstance(argument, str) else "" if argument is None else _json(argument)
        form: Literal["code", "json"] = "code" if member in ("input", "code") else "json"
        return Described(_call(words, item), text, tuple(_results(item)), form)
    if kind == "image_generation_call":
        result = text_of(item.get("result"))
        notes = (f"image, {format_bytes(len(result))} of base64",) if result else ("no image",)
        return Described("image generation", text_of(item.get("revised_prompt")), notes)
    if text_of(item.get("encrypted_content")):
        return Described(_named(kind), "", (_encrypted(item),))
    rest = {name: value for name, value in item.items() if name not in ("type", "id", "status")}
    return Described(_call(kind, item), _json(rest), (), "json")


# The words for each type of call, and the member that holds its argument.
_CALLS = {
    "function_call": ("tool call", "arguments"),
    "custom_tool_call": ("tool call", "input"),
    "local_shell_call": ("shell call", "action"),
    "web_search_call": ("web search", "action"),
    "mcp_call": ("MCP call", "arguments"),
    "file_search_call": ("file search", "queries"),
    "code_interpreter_call": ("code interpreter", "code"),
    "computer_call": ("computer call", "action"),
}


def text_of(value: Any) -> str:
    """Return `value` if it is a string, else ""."""
    return value if isinstance(value, str) else ""


def _reasoning(item: Item) -> Described:
    texts = [_texts(_parts(item.get(member))) for member in ("summary", "content")]
    notes = (_encrypted(item),) if text_of(item.get("encrypted_content")) else ()
    return Described("reasoning", "\n\n".join(text for text in texts if text), notes)


def _output(kind: str, item: Item) -> Described:
    title = " · ".join(("tool output", *_identity(item)))
    if kind not in ("function_call_output", "custom_tool_call_output"):
        title = f"{title} ({_named(kind)})"
    output = item.get("output")
    if isinstance(output, str):
        return Described(title, output, (), "code")
    parts = _parts(output)
    if parts:
        return Described(title, _texts(parts), tuple(_notes(parts)), "code")
    return Described(title, "" if output is None else _json(output), (), "json")


def _call(words: str, item: Item) -> str:
    return " · ".join((_named(words), *_identity(item)))


def _identity(item: Item) -> Iterator[str]:
    """Yield the server, the tool and the id of a call."""
    for member in ("server_label", "name", "call_id"):
        if name := text_of(item.get(member)):
            yield _named(name)


def _results(item: Item) -> Iterator[str]:
    """Yield the results of a call that the endpoint made itself."""
    status = text_of(item.get("status"))
    if status and status != "completed":
        yield _named(status)
    if output := text_of(item.get("output")):
        yield f"output: {format_count(len(output), 'character')}"
    if error := item.get("error"):
        yield f"error: {one_line(error if isinstance(error, str) else _json(error), 200)}"
    for member in ("results", "outputs"):
        if isinstance(results := item.get(member), list):
            yield f"{member}: {len(results):,}"


def _parts(value: Any) -> list[Item]:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    return [part for part in value if isinstance(part, Mapping)] if isinstance(value, list) else []


def _texts(parts: list[Item]) -> str:
    texts = [text_of(part.get("text")) or text_of(part.get("refusal")) for part in parts]
    return "\n\n".join(text for text in texts if text)


def _notes(parts: list[Item]) -> Iterator[str]:
    """Yield what is in a message besides text."""
    for part in parts:
        kind = text_of(part.get("type"))
        if kind == "refusal":
            yield "a refusal"
        elif kind in ("input_image", "input_file", "input_audio"):
            yield _attached(kind.removeprefix("input_"), part)
        if isinstance(sources := part.get("annotations"), list) and sources:
            yield format_count(len(sources), "annotation")


def _attached(what: str, part: Item) -> str:
    address = text_of(part.get("image_url")) or text_of(part.get("file_url"))
    data = text_of(part.get("file_data")) or (address if address.startswith("data:") else "")
    named = text_of(part.get("filename")) or text_of(part.get("file_id")) or ("" if data else address)
    kind = data[5:].partition(";")[0] if data.startswith("data:") else ""
    names = [one_line(each, _MAX_NAME) for each in (named, kind[:_MAX_NAME]) if each]
    return ", ".join([what, *names, *([f"{format_bytes(len(data))} of base64"] if data else [])])


def _encrypted(item: Item) -> str:
    return f"encrypted: {format_count(len(text_of(item.get('encrypted_content'))), 'character')}"


def _titled(role: str) -> str:
    return one_line(role, _MAX_NAME)


def _named(name: str) -> str:
    return one_line(name, _MAX_NAME)


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return "[nested too deeply to be shown]"
