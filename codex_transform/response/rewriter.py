"""Rewrites a stream of events into the one that OpenAI's API would have sent.

Strategy: an event costs as much as it needs. Runs of deltas are recognised by `delta_template` and leave in one slice,
unparsed. Every other event is parsed, given to `event_repair`, and written anew only if something was repaired. What is
not an event at all (comments, fields without data) is forwarded as well, but never counts as an answer.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from codex_transform import jsonio
from codex_transform.response import sse
from codex_transform.response.client_view import ClientView
from codex_transform.response.delta_template import DeltaTemplate, build, match_nothing
from codex_transform.response.event_repair import ENDS, EventRepairer
from codex_transform.response.event_rules import RULES, Action
from codex_transform.response.text_growth import Text
from codex_transform.response.upstream_error import UpstreamError, read_error

# How an event begins whose type shows without parsing: its name, if any, and an object with `type` first.
_HEAD = re.compile(rb'(?:event: ?([\w.]+)(?:\r\n|\n|\r))?data: ?\{\s*"type"\s*:\s*"([\w.]+)"\s*,')

# The members that a delta's template must hold, by the types of events that may have one.
_MEMBERS = {
    kind: tuple(b'"%b":' % name.encode() for name in ("type", *rule.needs))
    for kind, rule in RULES.items()
    if rule.action is Action.PASS and kind.endswith(".delta")
}

# How many bytes of deltas are held here before they are handed over.
_MOST_BYTES = 1 << 15

_DONE = b"[DONE]"
_STRAY = 4096

# In place of the number of events when the last one was replaced: it was not.
_NOT_REPLACED = -1


class Rewriter:
    """One answer's way from the endpoint's event stream to the client's.

    `events` counts the events that came in, `parsed` those that had to be parsed, `repaired` names what was repaired.
    `started` is True once an event or a comment has been passed on, `has_output` once one has that the model is behind:
    an output item or a delta. `non_event_text` is how the text began that came instead of events, as long as nothing
    else has come.
    """

    def __init__(self, view: ClientView, limit: int = sse.LIMIT, now: Callable[[], float] = time.time) -> None:
        self.events = 0
        self.parsed = 0
        self.repaired: set[str] = set()
        self.started = False
        self.has_output = False
        self.non_event_text = b""
        self._limit = limit
        self._splitter = sse.Splitter(limit)
        self._repairer = EventRepairer(view, limit, now)
        self._replaced = 0
        self._previous = ""
        self._deltas: list[bytes] = []
        self._deltas_size = 0
        self._text: Text | None = None
        self._broken_off = False
        self._too_late = False  # what comes of a block comes after the end of the answer
        self._template = DeltaTemplate(match_nothing)

    @property
    def ended(self) -> str | None:
        """How the answer ended: `completed`, `incomplete`, `failed`, `error`; None as long as it has not."""
        return self._repairer.ended

    @property
    def given_ids(self) -> dict[str, str]:
        """The ids that the final event gave items which had others before, by those."""
        return self._repairer.given_ids

    @property
    def problem(self) -> UpstreamError | None:
        """What the endpoint reported, if the answer ended in failure."""
        return self._repairer.problem

    @property
    def usage(self) -> dict[str, Any] | None:
        """What the final event said about tokens."""
        return self._repairer.usage

    def feed(self, data: bytes) -> bytes:
        """Return what may leave, given `data` from the endpoint.

        Raises ApiError when the endpoint reports an error before it says anything else.
        """
        out = []
        at = 0
        while at < len(data):
            if (end := self._skim(data, at)) > at:
                out.append(data[at:end])
            else:
                block, end = self._take(data, at)
                out.append(block)
            at = end
        return out[0] if len(out) == 1 else b"".join(out)

    def finish(self) -> bytes:
        """Return what may leave of an event that lacks its blank line, now that the endpoint's stream has ended.

        The standard discards such an event, but there are relays that forget the blank line, so a whole one counts.
        Raises ApiError like `feed`.
        """
        if self._splitter.oversized and not self._too_late:
            self._repairer.ended = None
            return b"\n\n"
        block = self._splitter.finish()
        fields = sse.parse(block)
        if not _is_whole(fields) and (self.started or any(fields)):
            self._broken_off = bool(block.strip())
            return b""
        return self._handle_block(block + (b"\n" if block.endswith(b"\n") else b"\n\n"))

    def complete(self) -> bytes:
        """Return the final event of a stream that ended without one although all of its items are there, else b""."""
        if self._broken_off:
            return b""
        self._hand_over_deltas()
        end = self._repairer.missing_end()
        if end is None:
            return b""
        self.repaired |= end.repaired
        return b"".join(sse.render(event["type"], jsonio.dumps(event)) for event in end.events)

    def fail(self, problem: UpstreamError) -> bytes:
        """Return the bytes that end a stream which has started and will not be completed."""
        self._hand_over_deltas()
        self._repairer.end("error")
        return sse.render("error", jsonio.dumps(problem.event(self._repairer.next_number())))

    def _take(self, data: bytes, start: int) -> tuple[bytes, int]:
        """Return what leaves in the place of the next block or the next piece of one, and where that ends."""
        stop = sse.end_of_piece(data, start)
        if self._splitter.oversized:
            piece, end = self._splitter.pass_on(data, start, stop)
            return (b"" if self._too_late else piece), end
        self._too_late = self.ended is not None
        block, end = self._splitter.take(data, start, stop)
        if self._template.matches(block):
            self._keep_deltas(block, 1)
        elif block:
            block = self._handle_block(block)
        return block, end

    def _skim(self, data: bytes, start: int) -> int:
        """Where the whole events that need nothing end, from `start` on; `start` when there are none."""
        if not self._splitter.idle:
            return start
        end, count = self._template.match_run(data, start)
        if count:
            self._keep_deltas(data[start:end], count)
        return end

    def _keep_deltas(self, deltas: bytes, count: int) -> None:
        """Keep so many deltas that leave unparsed, for when the repairer has to know what they said."""
        self.events += count
        self._deltas.append(deltas)
        self._deltas_size += len(deltas)
        if self._deltas_size > _MOST_BYTES:
            self._hand_over_deltas()

    def _handle_block(self, block: bytes) -> bytes:
        """Return what leaves in the place of one block."""
        if len(block) > self._limit:
            self.events += 1
            if self.ended:
                return self._replace({"late event"}, b"")
            head = _HEAD.match(block)
            kind = head[2].decode() if head and head[1] in (None, head[2]) else ""
            self._repairer.miss_event()
            self._mark_forwarded(kind)
            self._repairer.ended = self.ended or ENDS.get(kind)
            return block
        return self._read(block)

    def _learn_template(self, kind: str, block: bytes) -> None:
        """Learn the template of the second of two deltas in a row, which may begin a run."""
        if kind == self._previous and kind in _MEMBERS and (template := build(block, _MEMBERS[kind])):
            self._template = template
            self._text = self._repairer.current_text
        self._previous = kind

    def _read(self, block: bytes) -> bytes:
        """Return what leaves in the place of a block that has to be parsed."""
        fields = sse.parse(block)
        if fields.data is None:
            return self._pass_lines(block, fields)
        self.events += 1
        if fields.data.strip() == _DONE:
            # OpenAI's SDKs read no further, and would miss that the answer was cut off.
            return self._replace({"[DONE]"}, b"")
        self.parsed += 1
        event = jsonio.loads_object(fields.data)
        if event is None and fields.name == "error":
            event = {"message": fields.data.decode(errors="replace")}
        if event is None:
            # Clients parse what every event holds: one that holds something else would end the answer for them.
            if not self.started:
                self.non_event_text = (self.non_event_text + fields.data)[:_STRAY]
            return self._replace({"unreadable"}, b"")
        self._hand_over_deltas()
        kind = _kind(event, fields.name)
        events, repaired = self._repairer.repair(kind, event, len(block))
        if self.problem and not self.started:
            raise self.problem.http_error()
        if fields.name not in (None, kind) and kind in RULES:
            repaired.add("event name")
        if not repaired:
            self._learn_template(kind, block)
        if repaired:
            block = self._replace(repaired, b"".join(_render_all(events, fields)))
        if len(events) > 1 or self.ended:
            # Numbers have shifted, or nothing may follow: what looks right by its shape is not any more.
            self._template = DeltaTemplate(match_nothing)
            self._previous = ""
        for event in events:
            self._mark_forwarded(event.get("type") or kind)
        return block

    def _mark_forwarded(self, kind: str) -> None:
        """Note that an event of this type is forwarded."""
        self.started = True
        if kind.endswith(".delta") or kind.startswith("response.output_item."):
            self.has_output = True

    def _pass_lines(self, block: bytes, fields: sse.Fields) -> bytes:
        """Return what leaves in the place of lines that are no event."""
        if not block.strip(b"\r\n"):
            # Blank lines belong to what came before them: the LF of a CRLF may come in a chunk of its own.
            return b"" if self._replaced == self.events else block
        if fields.name is not None or fields.others:
            self.started = True
        if self.started:
            self._replaced = _NOT_REPLACED
            return block
        self.non_event_text = (self.non_event_text + block)[:_STRAY]
        return b""

    def _replace(self, repaired: set[str], block: bytes) -> bytes:
        self.repaired |= repaired
        self._replaced = self.events
        return block

    def _hand_over_deltas(self) -> None:
        """Give the deltas that left unparsed to the repairer."""
        if self._deltas:
            self._repairer.follow(self._text, self._deltas)
            self._deltas.clear()
            self._deltas_size = 0


def _kind(event: dict[str, Any], name: str | None) -> str:
    """Return the type of an event: its own word, else the event name's, else what it looks like."""
    kind = event.get("type")
    if isinstance(kind, str) and kind:
        return kind
    if name and name != "message":
        return name
    wrapped = event.get("error") or event.get("detail")
    return "error" if wrapped and read_error(event) else ""


def _render_all(events: list[dict[str, Any]], fields: sse.Fields) -> Iterator[bytes]:
    """Yield the blocks of the events that leave in the place of one with these fields; the last has its other lines."""
    for event in events:
        name = event["type"] if fields.name is not None and event["type"].isprintable() else None
        yield sse.render(name, jsonio.dumps(event), fields.others if event is events[-1] else ())


def _is_whole(fields: sse.Fields) -> bool:
    """Return whether a block that lacks its blank line lacks nothing else."""
    if fields.data is None:
        return bool(fields.others)
    if fields.data.strip() == _DONE or jsonio.loads_object(fields.data) is not None:
        return True
    return fields.name == "error" and not fields.data.lstrip().startswith(b"{")
