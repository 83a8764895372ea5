"""The response body that a client got, parsed for people: a stream, an object or an error, complete or truncated.

Strategy: nearly all of a stream is deltas, and a complete stream repeats them in its final event. So deltas are
skipped; only if the final event is missing or empty are they combined, by `events_to_response` of the stream with an
end. That takes time, so no more of an item is combined than a page has room for.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from codex_transform import jsonio
from codex_transform.response import sse, upstream_error
from codex_transform.response.client_view import ClientView
from codex_transform.response.events_to_response import collect, events_to_response
from codex_transform.response.stream import ResponseStream
from codex_transform.response.upstream_error import UpstreamError

_DELTA = re.compile(rb'(?:event: ?[\w.]+\.delta[\r\n]|data: ?\{\s*"type"\s*:\s*"[\w.]+\.delta")')
_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.done")

_BLANK_LINES = re.compile(rb"\n(?:\r?\n){2,}")

# Comments and the like; a body with more of them is no response, and reading on would block the proxy.
_MAX_STRAY = 50_000

# Deltas of one item that are combined when the end is missing, in bytes: more than a page shows.
_MAX_DELTAS = 2_000_000

_END = b'\n\nevent: response.incomplete\ndata: {"type":"response.incomplete","response":{"output":[]}}\n\n'


class ParsedBody(NamedTuple):
    """What a response body holds.

    `items` are the output, `response` is what is known of the response object, and `problem` the error that it ended
    with. `events` counts the events of a stream; it is 0 for anything else. `ended` is False for a stream without its
    end. `text` is the body itself if it is no response.
    """

    items: list[Any]
    response: Mapping[str, Any]
    problem: UpstreamError | None = None
    events: int = 0
    ended: bool = True
    text: str = ""


def parse_body(body: bytes) -> ParsedBody:
    """Parse `body`. Raises nothing: a body that cannot be parsed becomes `text`."""
    beginning = body[:4096].removeprefix(sse.BOM).lstrip()
    if not beginning.startswith((b"{", b"[", b"<", b'"')) and (parsed := _stream(body)).events:
        return parsed
    response = jsonio.loads_object(body.removeprefix(sse.BOM))
    if response is None:
        return ParsedBody([], {}, text=body.decode(errors="replace"))
    output = response.get("output")
    failed = not isinstance(output, list) or response.get("status") == "failed"
    problem = upstream_error.read_error(response) if failed else None
    known = isinstance(output, list) or problem
    return ParsedBody(
        output if isinstance(output, list) else [],
        response,
        problem,
        text="" if known else body.decode(errors="replace"),
    )


def _stream(body: bytes) -> ParsedBody:
    events, ended = 0, False
    response: Mapping[str, Any] = {}
    problem = None
    blocks = []
    stray = deltas = 0
    for block in sse.split(_BLANK_LINES.sub(b"\n\n", body)):
        if _DELTA.match(block):
            deltas += len(block)
            if deltas > _MAX_DELTAS:
                events += 1
                continue
        else:
            deltas = 0
            fields = sse.parse(block)
            event = jsonio.loads_object(fields.data or b"") or {}
            kind, about = event.get("type", fields.name if event else None), event.get("response")
            if not isinstance(kind, str):
                stray += 1
                if stray > _MAX_STRAY:
                    break
                continue
            if isinstance(about, dict):
                response = about
            if kind in _ENDS or kind == "error":
                ended = True
                events += 1
                problem = problem or (upstream_error.read_error(event) if kind == "error" else None)
                continue
        events += 1
        blocks.append(block)
    if problem is None and response.get("status") == "failed":
        problem = upstream_error.read_error(response)
    output = response.get("output") if ended else None
    items = output if isinstance(output, list) and output else _unfinished(b"".join(blocks))
    return ParsedBody(items, response, problem, events, ended)


def _unfinished(stream: bytes) -> list[Any]:
    """Return the items that a stream without its end amounts to."""
    try:
        output: list[Any] = events_to_response(collect(stream + _END, ResponseStream(ClientView(), None)))["output"]
    except Exception:
        # An event of an unforeseen form must not keep the rest of the page from being shown.
        return []
    return output
