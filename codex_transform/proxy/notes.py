"""Addon: writes down what a call was and what it cost, where a person looks.

Once a call is over it becomes a `Record`: as comment, marker and metadata of its flow, as one line of the log, and as
a row of the usage store. What takes time (hashing a long conversation to see why the cache missed, the disk) is done
by one thread, in the order of the calls, and the client does not wait for it. Only where mitmproxy is about to write
the flow into a file does the flow wait, so that the file has it all.
"""

import asyncio
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from hashlib import sha256
from typing import Any

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook

from codex_transform import summary, usage
from codex_transform.cache_miss import Conversations
from codex_transform.errors import ApiError
from codex_transform.instructions import Instructions
from codex_transform.proxy import call as calls
from codex_transform.proxy import keys
from codex_transform.proxy.config import Config
from codex_transform.proxy.refresh import Refresh
from codex_transform.proxy.shown import comment, is_watched
from codex_transform.proxy.streamed import StreamedAnswer
from codex_transform.record import Record, Source
from codex_transform.request import Transformed, parse
from codex_transform.usage_store import UsageStore

logger = logging.getLogger(__name__)

RECORD = "codex"
"""Where `flow.metadata` has the call's `Record`, as plain values."""

# How long the end of mitmproxy waits for calls that are still to be written down, in seconds.
_PATIENCE = 5.0

_MOST_WAITING = 100

_COLUMNS = ["tls", "status", "comment"]


class Notes:
    """Takes notes of every call. `last_error` is the record of the last one that failed."""

    def __init__(self, config: Config, refresh: Refresh, store: UsageStore) -> None:
        self.config = config
        self.refresh = refresh
        self.store = store
        self.last_error: Record | None = None
        self._conversations = Conversations()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="codex-notes")
        self._studies: set[Future[Record]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def running(self) -> None:
        """mitmproxy is up. mitmweb's table shows comments and no paths, unless its user has said how it is to look:
        beside a path, which is nearly always the same, a comment would get a few letters' room."""
        if "web_columns" in ctx.options and ctx.options.web_columns == ctx.options.default("web_columns"):
            ctx.options.update(web_columns=_COLUMNS)

    def request(self, flow: http.HTTPFlow) -> None:
        """A request is about to leave: a table that has no paths says what is under way."""
        call = calls.of(flow)
        if not is_watched():
            return
        if call and call.transformed:
            model = f"{call.transformed.body['model']} {call.transformed.effort or ''}"
            comment(flow, f"{summary.plain(model)} · …")
        elif call is None and not flow.comment and "web_columns" in ctx.options:
            flow.comment = summary.plain(f"{flow.request.method} {flow.request.pretty_url}")

    async def response(self, flow: http.HTTPFlow) -> None:
        """A call has got its answer, or an error in its place."""
        if call := calls.of(flow):
            await self._note(flow, call)

    async def error(self, flow: http.HTTPFlow) -> None:
        """A client has left."""
        if call := calls.of(flow):
            await self._note(flow, call)

    def done(self) -> None:
        """mitmproxy ends: what waits is stored first."""
        wait(self._studies, _PATIENCE)
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _note(self, flow: http.HTTPFlow, call: calls.Call) -> None:
        record = _record(flow, call)
        # Should the disk hang, what waits for it must not hold conversations without end.
        sent, original = (call.transformed, call.original) if len(self._studies) < _MOST_WAITING else (None, None)
        try:
            study = self._worker.submit(self._study, record, sent, original, self.refresh.instructions)
        except RuntimeError:
            return  # mitmproxy is ending
        self._studies.add(study)
        study.add_done_callback(self._studies.discard)
        task = asyncio.get_running_loop().create_task(self._finish(flow, record, study))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if ctx.options.save_stream_file:
            await task

    def _study(
        self, record: Record, sent: Transformed | None, original: bytes | None, instructions: Instructions
    ) -> Record:
        """Completes the record and stores it. Runs in the thread."""
        if sent:
            text = sent.body["instructions"]
            ref = instructions.source(sent.resolved, sent.conversation)
            source = Source(ref=ref, sha256=sha256(text.encode(errors="replace")).hexdigest(), chars=len(text))
            asked = parse(original) if original and record.conversation and record.tokens else None
            cache = self._conversations.judge(record.conversation, record.at, sent.body, asked, record.tokens)
            record = record.model_copy(update={"instructions": source, "cache": cache})
        self.store.add(record)
        return record

    async def _finish(self, flow: http.HTTPFlow, record: Record, study: Future[Record]) -> None:
        """Writes the record into its flow, where it shows at once, and again when the thread has completed it."""
        await _write(flow, record)
        try:
            record = await asyncio.wrap_future(study)
        except Exception:
            logger.exception("a call could not be judged and stored")
        await _write(flow, record)
        if record.error:
            self.last_error = record
        logger.log(logging.WARNING if record.error else logging.INFO, summary.line(record))


def _record(flow: http.HTTPFlow, call: calls.Call) -> Record:
    """What there is to say of a call that has just ended, without what takes time."""
    at = flow.request.timestamp_start
    known: dict[str, Any] = {
        "id": flow.id[:8],
        "at": at,
        "status": flow.response.status_code if flow.response else 0,
        "outcome": call.outcome or "cut",
        "repaired": call.repaired,
        "events": call.events,
        "tokens": usage.tokens(call.usage),
        "first_token": call.first_token and call.first_token - at,
        "total": time.time() - at,
    }
    if problem := _problem(flow, call):
        message = keys.unsaid(problem.message.encode(errors="replace"), call.key).decode()
        known |= {"error": summary.plain(message), "code": problem.code or problem.type}
    if sent := call.transformed:
        body = sent.body
        known |= {
            "asked": summary.plain(sent.resolved.asked),
            "model": summary.plain(body["model"]),
            "effort": sent.effort,
            "verbosity": body.get("text", {}).get("verbosity"),
            "conversation": sent.conversation and summary.plain(sent.conversation),
            "streaming": sent.streaming,
            "items": len(body["input"]),
            "tools": len(body.get("tools", ())),
            "bytes": len(flow.request.raw_content or b""),
        }
    return Record.model_validate(known)


def _problem(flow: http.HTTPFlow, call: calls.Call) -> ApiError | None:
    """What the client was told, in the place of an answer or at the end of its stream."""
    stream = flow.response and flow.response.stream
    if call.error or call.outcome not in ("failed", "error", "cut") or not isinstance(stream, StreamedAnswer):
        return call.error
    return stream.answer.error


async def _write(flow: http.HTTPFlow, record: Record) -> None:
    """Into the flow, and has it shown. A marker of the user's own stays."""
    flow.metadata[RECORD] = record.model_dump(mode="json")
    comment(flow, summary.comment(record))
    if flow.marked in ("", *summary.MARKERS):
        flow.marked = summary.marker(record)
    if is_watched():
        await ctx.master.addons.trigger_event(UpdateHook([flow]))
