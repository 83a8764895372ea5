"""The page of a request: what was asked, what the addon changed and why, and what the endpoint got, item by item.

Strategy: a summary first, then the changes, then the names of the tools, then the conversation with at most two lines
of each item, because the full text is one click away. The middle of a long conversation is left out: its ends matter
most.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from codex_transform import jsonio
from codex_transform.decoding import DecodingError, decode
from codex_transform.inspect.changes import change_lines, item_marks
from codex_transform.inspect.items import Described, describe, text_of
from codex_transform.inspect.text import WIDTH, pretty, section, table, wrapped
from codex_transform.text import format_bytes, format_count, one_line, sanitize, truncate
from codex_transform.usage.record import InstructionsSource, Record

_FIRST, _LAST = 40, 160  # items shown of a long conversation
_MAX_BODY = 20_000  # characters of a body that is no request
_MAX_LAST_ITEM = 2 * (WIDTH - 14)  # characters of the last item in the summary
_MAX_TOOLS = 200

_SOURCES = {
    "client": "the client's own",
    "bundled": "codex-transform's own text, because the Codex CLI's is not available",
    "file": "your own text, codex_instructions_file",
    "main": "Codex CLI, branch main",
}


def render(body: bytes, record: Record | None = None, original: Mapping[str, Any] | None = None) -> str:
    """Return the page for the body that was sent.

    `original` is the client's request: its `content`, and its `headers` as pairs; None if it was not kept. Raises
    nothing: a body that is no request is shown as it is.
    """
    sent = jsonio.loads_object(body)
    if sent is None:
        return "\n".join(
            (
                *_outcome(record),
                "This is not a request of the Responses API. Its body:",
                "",
                truncate(body.decode(errors="replace"), _MAX_BODY),
            )
        )
    client_body = _client_body(original)
    return "\n".join(
        (
            *_outcome(record),
            *table(_summary(sent, body, record, client_body)),
            *_attempts(record),
            *_changes(sent, record, client_body, original),
            *_tools(sent),
            *_conversation(sent, item_marks((record and record.changes) or ())),
        )
    )


def _client_body(original: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the client's body, None if it is not kept or cannot be parsed."""
    content = original.get("content") if original else None
    if not isinstance(content, bytes) or original is None:
        return None
    if (body := jsonio.loads_object(content)) is not None:
        return body
    try:
        return jsonio.loads_object(decode(_encoding(original), content))
    except DecodingError:
        return None


def _encoding(original: Mapping[str, Any]) -> str | None:
    headers = original.get("headers")
    for header in headers if isinstance(headers, list | tuple) else ():
        if isinstance(header, list | tuple) and len(header) == 2:
            name, value = (each.decode("latin-1") if isinstance(each, bytes) else str(each) for each in header)
            if name.lower() == "content-encoding":
                return value
    return None


def _outcome(record: Record | None) -> Iterator[str]:
    """Yield why the call failed, for those who look here first."""
    if record and record.error:
        status = f" · HTTP {record.status}" if record.status >= 400 else ""
        yield from wrapped(f"FAILED{status}: {record.error[:400]}")
        yield "The Response tab shows what to do."
        yield ""


def _attempts(record: Record | None) -> Iterator[str]:
    """Yield what the endpoint refused before it got this request, and what was done about it."""
    if record and record.attempts:
        yield from section(format_count(len(record.attempts) + 1, "attempt"))
        for attempt in record.attempts:
            yield from wrapped(f"refused: {sanitize(attempt.refused)}")
            yield from wrapped(f"then {sanitize(attempt.done)}")


def _summary(
    sent: Mapping[str, Any], body: bytes, record: Record | None, client_body: Mapping[str, Any] | None
) -> Iterator[tuple[str, Any]]:
    model = text_of(sent.get("model"))
    asked = text_of((client_body or {}).get("model")) or (record and record.asked) or model
    effort, verbosity = _member(sent, "reasoning", "effort"), _member(sent, "text", "verbosity")
    yield (
        "Model",
        [
            one_line(f"{asked} → {model}" if asked != model else model, 160),
            f"effort {sanitize(effort)}" if effort else "",
            f"verbosity {sanitize(verbosity)}" if verbosity else "",
        ],
    )
    yield "Client", (record and record.person) or ""
    yield "Asked", _asked(sent.get("input"))
    instructions = text_of(sent.get("instructions"))
    yield "Instructions", list(_source(record.instructions if record else None, instructions))
    yield "Conversation", one_line(text_of(sent.get("prompt_cache_key")) or (record and record.conversation) or "", 80)
    items = sent.get("input")
    yield (
        "Size",
        [
            format_count(len(items), "item") if isinstance(items, list) else "",
            format_count(len(_list(sent, "tools")), "tool"),
            format_bytes(len(body)),
        ],
    )


def _asked(items: Any) -> str:
    """Return the last item in a line: in a long conversation it is what is new."""
    if isinstance(items, str):
        return one_line(items, _MAX_LAST_ITEM)
    if not isinstance(items, list) or not items:
        return ""
    title, text, notes, _ = _described(items[-1], _names(items))
    named = ", ".join((title, *notes))
    return one_line(f"{named}: {text}" if text else named, _MAX_LAST_ITEM)


def _names(items: list[Any]) -> dict[str, str]:
    """Return the names of the tools, by the ids of their calls."""
    calls = [item for item in items if isinstance(item, dict)]
    return {text_of(item.get("call_id")): text_of(item.get("name")) for item in calls if item.get("name")}


def _described(item: Any, names: Mapping[str, str]) -> Described:
    """Describe an item. An output gets the name of its tool."""
    kind, call_id = (text_of(item.get("type")), text_of(item.get("call_id"))) if isinstance(item, dict) else ("", "")
    if kind.endswith("_output") and "name" not in item and (name := names.get(call_id)):
        item = {**item, "name": name}
    return describe(item)


def _source(source: InstructionsSource | None, instructions: str) -> Iterator[str]:
    if not instructions and not source:
        return
    if source:
        yield _SOURCES.get(source.ref, f"Codex CLI, release {sanitize(source.ref)}")
    yield format_count(len(instructions) or (source.chars if source else 0), "character")
    digest = sha256(instructions.encode(errors="surrogatepass")).hexdigest() if instructions else ""
    yield f"sha256 {(digest or (source.sha256 if source else ''))[:12]}"


def _changes(
    sent: Mapping[str, Any],
    record: Record | None,
    client_body: Mapping[str, Any] | None,
    original: Mapping[str, Any] | None,
) -> Iterator[str]:
    yield from section("what the addon changed")
    if record and record.model is None:
        yield "Nothing: it was not sent."
        return
    notes = record.changes if record else None
    if notes is None:
        yield from wrapped(_why_no_reasons(record, client_body, original))
    try:
        lines = list(change_lines(notes, client_body, sent))
    except RecursionError:
        lines = list(change_lines(notes, None, {}))
    yield from lines
    if not lines and notes is not None:
        yield "Nothing."


def _why_no_reasons(
    record: Record | None, client_body: Mapping[str, Any] | None, original: Mapping[str, Any] | None
) -> str:
    if client_body is not None:
        if record:
            return "The reasons are not known: an older release of codex-transform recorded this call."
        return "The reasons are recorded when the call ends."
    if original is not None:
        return "Not known: the client's request is not a JSON object, or incomplete."
    if record:
        return "Not known: the client's request is no longer kept. codex_keep_mb sets how much is."
    return "Not known: the flow was saved without the client's request, or without codex-transform."


def _tools(sent: Mapping[str, Any]) -> Iterator[str]:
    tools = _list(sent, "tools")
    if not tools:
        return
    names = [_tool(tool) for tool in tools[:_MAX_TOOLS]]
    more = [f"and {len(tools) - _MAX_TOOLS:,} more"] if len(tools) > _MAX_TOOLS else []
    yield from section(format_count(len(tools), "tool"), wrapped(", ".join(names + more)))


def _tool(tool: Any) -> str:
    if not isinstance(tool, dict):
        return "?"
    kind = text_of(tool.get("type"))
    name = text_of(tool.get("name")) or text_of(tool.get("server_label"))
    if not name:
        return one_line(kind or "?", 64)
    return one_line(name if kind == "function" else f"{name} ({kind})", 80)


def _conversation(sent: Mapping[str, Any], marks: Mapping[int, str]) -> Iterator[str]:
    items = sent.get("input")
    if isinstance(items, str):
        yield from section("input", truncate(items, _MAX_BODY).split("\n"))
        return
    if not isinstance(items, list):
        yield from section("body", truncate(pretty(dict(sent)), _MAX_BODY).split("\n"))
        return
    legend = " (+ added, ~ changed)" if marks else ""
    yield from section(f"conversation: {format_count(len(items), 'item')}{legend}")
    left_out = range(_FIRST, len(items) - _LAST)
    names = _names(items)
    for index, item in enumerate(items):
        if index not in left_out:
            yield from _item(index, _described(item, names), marks.get(index, " "))
        elif index == left_out.start:
            yield f"      [cut: items {left_out.start:,} to {left_out.stop - 1:,}]"


def _item(index: int, described: Described, mark: str) -> Iterator[str]:
    title, text, notes, _ = described
    length = [format_count(len(text), "character")] if text or not notes else []
    yield from wrapped(" · ".join((title, *length, *notes)), "      ", f"{mark} [{index}] ")
    lines = [line for line in text[:2000].split("\n") if line.strip()]
    for line in lines[:2]:
        yield f"      {one_line(line, WIDTH - 6)}"


def _member(holder: Mapping[str, Any], name: str, member: str) -> str:
    inside = holder.get(name)
    return text_of(inside.get(member)) if isinstance(inside, dict) else ""


def _list(holder: Mapping[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []
