"""A table for the terminal: what the client sent, and what the endpoint got.

The former is read from the proxy's request logs, the latter from the requests that the endpoint recorded.
"""

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

_FIELDS = ("store", "stream", "include", "reasoning", "text", "parallel_tool_calls", "prompt_cache_key")
_IGNORED_HEADERS = ("authorization", "connection", "content-length", "host")
_SYSTEM_ROLES = ("system", "developer")


class Call(NamedTuple):
    """A request as the client sent it and as the endpoint got it, and the log entry of the response.

    Both requests have `headers` and a `body`; the client's has a `url`, the endpoint's a `path`. The response may have
    `events`, `repaired` and `usage`.
    """

    sent: Mapping[str, Any]
    got: Mapping[str, Any]
    response: Mapping[str, Any]

    @property
    def has_tools(self) -> bool:
        """Whether the request has tools; OpenCode's request for a title has none."""
        return bool(self.sent["body"].get("tools"))

    @property
    def dropped(self) -> list[str]:
        """The fields that the endpoint did not get."""
        return sorted(set(self.sent["body"]) - set(self.got["body"]))


class Row(NamedTuple):
    """A row of the table; its cells may be long and have several lines."""

    name: str
    sent: str
    got: str


def read_calls(logs: Path, received: Iterable[Mapping[str, Any]]) -> list[Call]:
    """Return the calls that reached the endpoint, from the proxy's log folder and the requests that it received."""
    stages: dict[str, dict[str, Any]] = {}
    for file in sorted(logs.glob("*.json")):
        entry = json.loads(file.read_text("utf-8"))
        stages.setdefault(entry["id"], {})[entry["stage"]] = entry
    requests = list(received)
    return [
        Call(entries["before"], request, entries.get("response", {}))
        for entries in stages.values()
        for request in requests
        if "after" in entries and entries["after"]["body"] == request["body"]
    ]


def rows(calls: list[Call], origin: str) -> list[Row]:
    """Return the rows for the calls of a conversation. `origin` is the endpoint's scheme, host and port."""
    turns = [call for call in calls if call.has_tools]
    first = turns[0]
    sent, got = first.sent["body"], first.got["body"]
    headers_sent, headers_got = dict(map(_lower_name, first.sent["headers"])), first.got["headers"]
    fields = [Row(name, _json(sent.get(name)), _json(got.get(name))) for name in _FIELDS if name in sent or name in got]
    dropped = {f"{name}{'' if call.has_tools else ' (title)'}": 0 for call in calls for name in call.dropped}
    return [
        Row("URL", first.sent["url"], origin + first.got["path"]),
        Row("authorization", _credentials(headers_sent.get("authorization")), headers_got.get("authorization", "-")),
        Row("model", sent["model"], got["model"]),
        Row("instructions", _excerpt(sent.get("instructions")), _excerpt(got.get("instructions"))),
        Row("developer messages", _system_messages(sent["input"]), _system_messages(got["input"])),
        Row("input items", _item_types(sent["input"]), _item_types(got["input"])),
        Row("tools", _tools(sent["tools"]), _tools(got["tools"])),
        *fields,
        Row("dropped fields", ", ".join(dropped) or "-", "-"),
        Row("headers", _unique_headers(headers_sent, headers_got), _unique_headers(headers_got, headers_sent)),
        *_second_request(turns),
        *(
            Row("model for a title", call.sent["body"]["model"], call.got["body"]["model"])
            for call in calls
            if not call.has_tools
        ),
    ]


def render(table: Iterable[Row], titles: Row, width: int) -> str:
    """Return the table as text of at most `width` columns. If both cells are equal, the second says so."""
    name_width = 16
    sent_width = (width - name_width - 6) * 3 // 7
    got_width = width - name_width - 6 - sent_width
    ruler = Row("-" * name_width, "-" * sent_width, "-" * got_width)
    lines = []
    for row in (titles, ruler, *table):
        same = row.sent == row.got != "-"
        got = "the same" if same else row.got
        cells = [_wrap(row.name, name_width), _wrap(row.sent, sent_width), _wrap(got, got_width)]
        for name_part, sent_part, got_part in zip_longest(*cells, fillvalue=""):
            lines.append(f"{name_part:{name_width}} | {sent_part:{sent_width}} | {got_part}".rstrip(" "))
    return "\n".join(lines)


def summarize_responses(calls: list[Call]) -> str:
    """Return a text about the streamed responses, in lines of at most 80 columns."""
    responses = [call.response for call in calls if call.has_tools and "events" in call.response]
    events = " and ".join(str(response["events"]) for response in responses)
    repaired = ", ".join(sorted({name for response in responses for name in response["repaired"]})) or "nothing"
    return textwrap.fill(f"The responses were streams of {events} events. Repaired on the way: {repaired}.", 80)


def _second_request(turns: list[Call]) -> Iterable[Row]:
    """Yield rows that show whether the second request extends the first, and how many cached tokens that saved."""
    if len(turns) < 2:
        return
    first, second = turns[0].got["body"]["input"], turns[1].got["body"]["input"]
    relation = "begins with" if second[: len(first)] == first else "does not begin with"
    yield Row(
        "second request",
        f"input: {len(turns[1].sent['body']['input'])} items",
        f"input: {len(second)} items; {relation} all of the first request's",
    )
    usage = turns[1].response.get("usage")
    if usage:
        cached = usage["input_tokens_details"]["cached_tokens"]
        yield Row("cached tokens", "", f"{cached:,} of {usage['input_tokens']:,}, in the second request")


def _wrap(text: str, width: int) -> list[str]:
    """Return the lines of a cell."""
    lines = [textwrap.wrap(line, width, break_on_hyphens=False, subsequent_indent=" ") for line in text.split("\n")]
    return [part for line in lines for part in line] or [""]


def _json(value: object) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def _credentials(value: str | None) -> str:
    return "(not logged)" if value == "…" else value or "-"


def _excerpt(text: str | None) -> str:
    if not text:
        return "-"
    start = " ".join(text[:80].split())
    return f"{len(text):,} characters: {start[:40]}…"


def _system_messages(items: list[dict[str, Any]]) -> str:
    texts = [_text(item) for item in items if item.get("role") in _SYSTEM_ROLES]
    return "\n".join(map(_excerpt, texts)) or "-"


def _text(item: Mapping[str, Any]) -> str:
    content = item["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _item_types(items: list[dict[str, Any]]) -> str:
    types = Counter(" ".join(filter(None, (item.get("type"), item.get("role")))) for item in items)
    return f"{len(items)}: " + ", ".join(f"{count} × {name}" for name, count in types.items())


def _tools(tools: list[dict[str, Any]]) -> str:
    return f"{len(tools)}: " + ", ".join(tool.get("name") or tool["type"] for tool in tools)


def _lower_name(field: Iterable[str]) -> tuple[str, str]:
    name, value = field
    return name.lower(), value


def _unique_headers(headers: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Return the headers that are missing in `other` or differ there, one per line."""
    names = [name for name in sorted(headers) if name not in _IGNORED_HEADERS and headers[name] != other.get(name)]
    return "\n".join(f"{name}: {headers[name]}" for name in names) or "-"
