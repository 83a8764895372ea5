"""What the client sent beside what the endpoint got, as a table for a terminal.

The left column comes from the proxy's request logs, the right one from the endpoint's own record.
"""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

_FIELDS = ("store", "stream", "include", "reasoning", "text", "parallel_tool_calls", "prompt_cache_key")
_HEADERS_OF_NO_NOTE = ("authorization", "connection", "content-length", "host")
_SYSTEM = ("system", "developer")


class Call(NamedTuple):
    """One request: as the client sent it, as the endpoint got it, and what the proxy noted of the answer.

    Each has `headers` and a `body`, the first a `url`, the second a `path`, the last perhaps the `usage`.
    """

    sent: Mapping[str, Any]
    got: Mapping[str, Any]
    answer: Mapping[str, Any]

    @property
    def with_tools(self) -> bool:
        """False for a request in which OpenCode only wants a title."""
        return bool(self.sent["body"].get("tools"))

    @property
    def dropped(self) -> list[str]:
        """Fields that the endpoint did not get."""
        return sorted(set(self.sent["body"]) - set(self.got["body"]))


class Row(NamedTuple):
    """A line of the table: its cells may be long and hold several lines."""

    name: str
    sent: str
    got: str


def calls(logs: Path, received: Iterable[Mapping[str, Any]]) -> list[Call]:
    """The calls that reached the endpoint, from the proxy's log folder and the endpoint's record."""
    stages: dict[str, dict[str, Any]] = {}
    for file in sorted(logs.glob("*.json")):
        entry = json.loads(file.read_text("utf-8"))
        stages.setdefault(entry["id"], {})[entry["stage"]] = entry
    records = list(received)
    return [
        Call(each["before"], record, each.get("response", {}))
        for each in stages.values()
        for record in records
        if "after" in each and each["after"]["body"] == record["body"]
    ]


def rows(made: list[Call], origin: str) -> list[Row]:
    """The table for the calls of one conversation; `origin` is the endpoint's."""
    talk = [call for call in made if call.with_tools]
    first = talk[0]
    sent, got = first.sent["body"], first.got["body"]
    headers_sent, headers_got = dict(map(_lower, first.sent["headers"])), first.got["headers"]
    fields = [Row(name, _json(sent.get(name)), _json(got.get(name))) for name in _FIELDS if name in sent or name in got]
    dropped = {f"{name}{'' if call.with_tools else ' (title)'}": 0 for call in made for name in call.dropped}
    return [
        Row("URL", first.sent["url"], origin + first.got["path"]),
        Row("authorization", _withheld(headers_sent.get("authorization")), headers_got.get("authorization", "-")),
        Row("model", sent["model"], got["model"]),
        Row("instructions", _glimpse(sent.get("instructions")), _glimpse(got.get("instructions"))),
        Row("developer messages", _developer(sent["input"]), _developer(got["input"])),
        Row("input items", _kinds(sent["input"]), _kinds(got["input"])),
        Row("tools", _tools(sent["tools"]), _tools(got["tools"])),
        *fields,
        Row("dropped fields", ", ".join(dropped) or "-", "-"),
        Row("headers", _headers(headers_sent, headers_got), _headers(headers_got, headers_sent)),
        *_second(talk),
        *(
            Row("model for a title", call.sent["body"]["model"], call.got["body"]["model"])
            for call in made
            if not call.with_tools
        ),
    ]


def render(table: Iterable[Row], titles: Row, width: int) -> str:
    """The table in plain text, at most `width` columns wide. Cells that say the same are said once."""
    label = 16
    sent = (width - label - 6) * 3 // 7
    got = width - label - 6 - sent
    ruler = Row("-" * label, "-" * sent, "-" * got)
    lines = []
    for row in (titles, ruler, *table):
        same = row.sent == row.got != "-"
        cells = [_wrap(row.name, label), _wrap(row.sent, sent), _wrap("the same" if same else row.got, got)]
        for at in range(max(map(len, cells))):
            parts = [cell[at] if at < len(cell) else "" for cell in cells]
            lines.append(f"{parts[0]:{label}} | {parts[1]:{sent}} | {parts[2]}".rstrip(" "))
    return "\n".join(lines)


def answers(made: list[Call]) -> str:
    """What came back, in lines of at most 80 columns."""
    talk = [call.answer for call in made if call.with_tools and "events" in call.answer]
    events = " and ".join(str(answer["events"]) for answer in talk)
    repaired = ", ".join(sorted({name for answer in talk for name in answer["repaired"]})) or "nothing"
    return textwrap.fill(f"The answers came back as streams of {events} events. Fixed on the way: {repaired}.", 80)


def _second(talk: list[Call]) -> Iterable[Row]:
    """How the second request goes on from the first, and what that saves."""
    if len(talk) < 2:
        return
    one, two = talk[0].got["body"]["input"], talk[1].got["body"]["input"]
    kept = "begins with all of the first's" if two[: len(one)] == one else "does not go on from the first's"
    yield Row(
        "second request", f"input: {len(talk[1].sent['body']['input'])} items", f"input: {len(two)} items; {kept}"
    )
    usage = talk[1].answer.get("usage")
    if usage:
        cached = usage["input_tokens_details"]["cached_tokens"]
        yield Row("cached tokens", "", f"{cached:,} of {usage['input_tokens']:,}, in the second request")


def _wrap(text: str, width: int) -> list[str]:
    lines = [textwrap.wrap(line, width, break_on_hyphens=False, subsequent_indent=" ") for line in text.split("\n")]
    return [piece for line in lines for piece in line] or [""]


def _json(value: object) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _withheld(value: str | None) -> str:
    return "(kept out of the log)" if value == "…" else value or "-"


def _glimpse(text: str | None) -> str:
    if not text:
        return "-"
    begins = " ".join(text[:80].split())
    return f"{len(text):,} characters: {begins[:40]}…"


def _developer(items: list[dict[str, Any]]) -> str:
    texts = [_text(item) for item in items if item.get("role") in _SYSTEM]
    return "\n".join(map(_glimpse, texts)) or "-"


def _text(item: Mapping[str, Any]) -> str:
    content = item["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _kinds(items: list[dict[str, Any]]) -> str:
    kinds = Counter(" ".join(filter(None, (item.get("type"), item.get("role")))) for item in items)
    return f"{len(items)}: " + ", ".join(f"{count} × {kind}" for kind, count in kinds.items())


def _tools(tools: list[dict[str, Any]]) -> str:
    return f"{len(tools)}: " + ", ".join(tool.get("name") or tool["type"] for tool in tools)


def _lower(field: Iterable[str]) -> tuple[str, str]:
    name, value = field
    return name.lower(), value


def _headers(own: Mapping[str, str], other: Mapping[str, str]) -> str:
    """The headers that the other side does not have, or has with another value."""
    noted = [name for name in sorted(own) if name not in _HEADERS_OF_NO_NOTE and own[name] != other.get(name)]
    return "\n".join(f"{name}: {own[name]}" for name in noted) or "-"
