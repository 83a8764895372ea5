"""Addon: records each call and its cost: in the log, in the usage database, and in flows that users inspect.

Once a call is over it becomes a `Record`: a line of the log, a row of the usage database, and, where somebody may look
at its flow, the flow's comment, marker and metadata. The event loop does next to nothing for it: making the record,
hashing a long conversation to see why the cache missed, and the disk are left to a thread that waits for an idle
moment. A flow that is inspected gets its record at once, and again when the thread has completed it. Only where
mitmproxy is about to write the flow into a file does the flow wait, so that the file has all of it.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook

from codex_transform.endpoint.url import Endpoint
from codex_transform.errors import ApiError
from codex_transform.instructions.store import InstructionStore
from codex_transform.jsonio import to_plain
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.instructions_refresh import InstructionsRefresh
from codex_transform.proxy.call import Call, get_call
from codex_transform.proxy.client_address import remote_address
from codex_transform.proxy.flow_annotations import flows_are_inspected, has_interactive_view, set_comment
from codex_transform.proxy.idle_batcher import IdleBatcher
from codex_transform.proxy.stream_function import StreamFunction
from codex_transform.redaction import redact_key_text
from codex_transform.request import Transformed
from codex_transform.request.changes import Change
from codex_transform.text import one_line
from codex_transform.usage import log_line
from codex_transform.usage import tokens as usage_tokens
from codex_transform.usage.cache_miss import PromptCacheTracker
from codex_transform.usage.record import FailedAttempt, InstructionsSource, Record
from codex_transform.usage.row import CALL_FIELDS, log_fields
from codex_transform.usage.store import UsageStore

logger = logging.getLogger(__name__)

RECORD = "codex"
"""Where `flow.metadata` has the call's `Record`, as plain values."""

# How long mitmproxy's shutdown waits for calls that are still to be recorded, in seconds.
_CLOSE_TIMEOUT = 5.0

# How many calls may wait for the thread, and how many bytes of requests: beyond that it waits for no idle moment; at
# four times as many, should the disk hang, conversations are dropped.
_MAX_QUEUED = 1000
_MAX_QUEUED_BYTES = 16_000_000

_COLUMNS = ["status", "comment"]


# Gets the record of a finished call, and its endpoint if it was sent to one.
Subscriber = Callable[[Record, Endpoint | None], None]


@dataclass(slots=True)
class _FinishedCall:
    """A call as it was when it finished. `call` is a copy, because the flow's own drops what is large or secret.

    `flow` is there if somebody may look at it, `persisted` if somebody waits until all of it has been written down.
    `record` is made when it is needed. `error` is what kept it from being completed.
    """

    call: Call
    began: float
    took: float
    status: int
    size: int
    problem: ApiError | None
    instructions: InstructionStore
    address: str | None
    flow: http.HTTPFlow | None = None
    persisted: asyncio.Future[None] | None = None
    record: Record | None = None
    error: Exception | None = None


class CallRecorder:
    """Records every call. `last_error` is the record of the last one that failed."""

    def __init__(self, config: Config, refresh: InstructionsRefresh, store: UsageStore) -> None:
        self.config = config
        self.refresh = refresh
        self.store = store
        self.last_error: Record | None = None
        self._conversations = PromptCacheTracker()
        self._waiting_bytes = 0
        self._subscribers: list[Subscriber] = []
        self._batcher = IdleBatcher(self._persist_batch, self._publish)

    def subscribe(self, subscriber: Subscriber) -> None:
        """Register a function that is called, in the event loop, with the record and endpoint of each finished call."""
        self._subscribers.append(subscriber)

    def running(self) -> None:
        """Make mitmweb's table show comments instead of paths, unless the user has chosen the columns.

        Next to the path, which is nearly always the same, there is room for only a few letters of a comment.
        """
        if "web_columns" in ctx.options and ctx.options.web_columns == ctx.options.default("web_columns"):
            ctx.options.update(web_columns=_COLUMNS)

    def request(self, flow: http.HTTPFlow) -> None:
        """Annotate a request that is about to be sent, so that a table without paths shows what is in progress."""
        self._batcher.touch()
        if not has_interactive_view():
            return
        call = get_call(flow)
        if call and call.transformed:
            model = f"{call.transformed.body['model']} {call.transformed.effort or ''}"
            set_comment(flow, f"{one_line(model)} · …")
        elif call is None and not flow.comment and "web_columns" in ctx.options:
            flow.comment = one_line(f"{flow.request.method} {flow.request.pretty_url}")

    async def response(self, flow: http.HTTPFlow) -> None:
        """Record a call that has got its response, or an error in its place."""
        if call := get_call(flow):
            await self._on_finished(flow, call)

    async def error(self, flow: http.HTTPFlow) -> None:
        """Record a call whose client has left."""
        if call := get_call(flow):
            await self._on_finished(flow, call)

    def done(self) -> None:
        """Store the calls that are still waiting: mitmproxy ends."""
        self._batcher.close(_CLOSE_TIMEOUT)

    async def _on_finished(self, flow: http.HTTPFlow, call: Call) -> None:
        self._batcher.touch()
        finished = _FinishedCall(
            replace(call),
            flow.request.timestamp_start,
            max(0.0, time.time() - flow.request.timestamp_start),
            flow.response.status_code if flow.response else 0,
            len(flow.request.raw_content or b""),
            _problem(flow, call),
            self.refresh.instructions,
            remote_address(flow, self.config.settings.trusted_proxies),
        )
        if flows_are_inspected():
            finished.flow = flow
            _annotate_flow(flow, _record(finished))
        if call.answered_here:  # by no model, or with the answer to a call of its own
            if finished.flow:
                set_comment(flow, f"{log_line.flow_comment(_record(finished))} · answered by the proxy")
            return
        self._waiting_bytes += finished.size
        if len(self._batcher) >= 4 * _MAX_QUEUED or self._waiting_bytes > 4 * _MAX_QUEUED_BYTES:
            _record(finished)
            finished.call.request = finished.call.original = finished.call.transformed = None
        if ctx.options.save_stream_file:
            finished.persisted = asyncio.get_running_loop().create_future()
        many = len(self._batcher) >= _MAX_QUEUED or self._waiting_bytes > _MAX_QUEUED_BYTES
        self._batcher.submit(finished, flush=many or finished.persisted is not None)
        if finished.persisted:
            await asyncio.wait([finished.persisted], timeout=_CLOSE_TIMEOUT)

    def _persist_batch(self, batch: Sequence[_FinishedCall]) -> Sequence[_FinishedCall]:
        """Complete the records and store them. Runs in the thread."""
        for finished in batch:
            try:
                self._complete_record(finished)
            except Exception as error:
                finished.error = error
            time.sleep(0)  # give the event loop a turn if it is waiting for one
        try:
            self.store.add(*(finished.record for finished in batch if finished.record))
        except Exception as error:
            batch[0].error = error
        return batch

    def _complete_record(self, finished: _FinishedCall) -> None:
        """Make the complete record, including what takes time to compute."""
        record, sent = _record(finished), finished.call.transformed
        if sent:
            attempts = finished.call.attempts
            ref = attempts.source if attempts else finished.instructions.source(sent.resolved, sent.conversation)
            cache = self._conversations.explain(
                record.conversation, record.at, sent.body, finished.call.request, record.tokens
            )
            source = _source(ref, sent.body.get("instructions") or "")
            finished.record = replace(record, instructions=source, cache=cache)

    def _publish(self, batch: Future[Sequence[_FinishedCall]]) -> None:
        """Show the records that the thread has completed."""
        for finished in batch.result():
            self._waiting_bytes -= finished.size
            try:
                self._publish_one(finished)
            except Exception:
                logger.exception("a call could not be shown")
            finally:
                # If a flow file is written, the client of the call waits for this: no error may stop it.
                if finished.persisted and not finished.persisted.done():
                    finished.persisted.set_result(None)

    def _publish_one(self, finished: _FinishedCall) -> None:
        if finished.error:
            logger.error("a call could not be recorded", exc_info=finished.error)
        if record := finished.record:
            if finished.flow:
                _annotate_flow(finished.flow, record)
                ctx.master.addons.trigger(UpdateHook([finished.flow]))
            if record.error:
                self.last_error = record
            _log(record)
            for subscriber in self._subscribers:
                subscriber(record, finished.call.endpoint)


def _log(record: Record) -> None:
    """Log a call with the time of its end: the line waits for an idle moment, and lines that waited come together."""
    level = logging.WARNING if record.error else logging.INFO
    if not logger.isEnabledFor(level):
        return
    fields = {CALL_FIELDS: log_fields(record)}
    line = logger.makeRecord(logger.name, level, __file__, 0, log_line.log_line(record), (), None, extra=fields)
    ended = record.at + (record.total or 0.0)
    vars(line).update(created=ended, msecs=ended % 1 * 1000)
    logger.handle(line)


def _record(finished: _FinishedCall) -> Record:
    """Return the record of a finished call without what takes time to compute; it is made only once."""
    if finished.record:
        return finished.record
    call, at = finished.call, finished.began
    members: dict[str, Any] = {
        "at": at,
        "person": call.person,
        "address": finished.address,
        "status": finished.status,
        "outcome": call.outcome or "cut",
        "repaired": tuple(call.repaired),
        "events": call.events,
        "tokens": usage_tokens.parse_usage(call.usage),
        "first_token": call.first_token and max(0.0, call.first_token - at),
        "total": finished.took,
        "attempts": _attempts(call),
    }
    if problem := finished.problem:
        message = redact_key_text(problem.message, call.key)
        members |= {"error": one_line(message), "code": problem.code or problem.type}
    if sent := call.transformed:
        body = sent.body
        members |= {
            "asked": one_line(sent.resolved.asked),
            "model": one_line(body["model"]),
            "effort": sent.effort,
            "verbosity": body.get("text", {}).get("verbosity"),
            "conversation": sent.conversation and one_line(sent.conversation),
            "changes": _changes(finished.flow, sent),
        }
    if call.attempts:
        failover = call.attempts.failover
        members |= {
            "endpoint": failover.target.name or failover.target.endpoint.authority,
            "reason": failover.reason or None,
        }
    finished.record = Record(**members)
    return finished.record


def _attempts(call: Call) -> tuple[FailedAttempt, ...]:
    """Return the failed attempts of a call that were followed by another."""
    return tuple(
        FailedAttempt(
            rule=attempt.rule,
            refused=redact_key_text(attempt.refused, call.key),
            done=attempt.done,
            edited=attempt.edit is not None,
            tokens=usage_tokens.parse_usage(attempt.usage),
        )
        for attempt in (call.attempts.made if call.attempts else ())
    )


def recorded(flow: http.HTTPFlow) -> Record | None:
    """Return the record in a flow's metadata; None if there is none, or one that this release cannot read."""
    # Only flows that are looked at, or sent again, need what reads a record: no start waits for it.
    from codex_transform.usage.record_reader import read_record

    return read_record(flow.metadata.get(RECORD))


def _changes(flow: http.HTTPFlow | None, sent: Transformed) -> tuple[Change, ...] | None:
    """Return the changes to the client's request; for a replayed one, most were made before it was saved."""
    changes = sent.changes.collect()
    earlier = recorded(flow) if flow and flow.is_replay else None
    if earlier is None or earlier.model is None:
        return changes
    return None if earlier.changes is None else tuple(dict.fromkeys((*earlier.changes, *changes)))


def _source(ref: str, text: str) -> InstructionsSource:
    """Return which instructions were sent."""
    return InstructionsSource(ref=ref, sha256=sha256(text.encode(errors="replace")).hexdigest(), chars=len(text))


def _problem(flow: http.HTTPFlow, call: Call) -> ApiError | None:
    """Return the error that the client got, instead of a response or at the end of its stream."""
    stream = flow.response and flow.response.stream
    if call.error or call.outcome not in ("failed", "error", "cut") or not isinstance(stream, StreamFunction):
        return call.error
    return stream.answer.error


def _annotate_flow(flow: http.HTTPFlow, record: Record) -> None:
    """Write the record into its flow; a marker that the user has set stays."""
    flow.metadata[RECORD] = to_plain(record)
    set_comment(flow, log_line.flow_comment(record))
    if flow.marked in ("", *log_line.MARKERS):
        flow.marked = log_line.flow_marker(record)
