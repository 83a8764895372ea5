"""Addon: runs responses in the background (API reference, "Background mode").

The client gets the response object, or the stream, at once; the request goes to the endpoint as a separate call, which
continues if the client leaves. Until it has finished, the status is `queued` or `in_progress`; a client polls it, reads
its events from any point on, or cancels it. If several proxies share the store, each renews a lease on the responses
that it runs, so that others can tell them from those of a proxy that was killed.
"""

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any

from mitmproxy import http

from codex_transform.errors import ApiError, bad_request
from codex_transform.jsonio import dumps, loads_object
from codex_transform.people.fair_share import FairShare
from codex_transform.proxy import responses
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.stored_responses import StoredResponses
from codex_transform.proxy.bodies import RequestReader
from codex_transform.proxy.call import Call, forget_call, get_call
from codex_transform.proxy.live_body import LiveBody, get_live_body, set_live_body
from codex_transform.proxy.local_request import LocalRequest, get_local_request
from codex_transform.proxy.replay import Replay, copy_request
from codex_transform.request.client_request import write_request
from codex_transform.response.response_to_events import response_to_stream
from codex_transform.state import api, history
from codex_transform.state.conversations import Conversations
from codex_transform.state.event_log import EventLog, offset_after
from codex_transform.state.new_response import new_response
from codex_transform.state.responses import Responses, StoredResponse
from codex_transform.state.store import Store

logger = logging.getLogger(__name__)

MAX_JOBS = 500
"""Responses that may run in the background at the same time, shared by all owners."""

_RUNNING = ("queued", "in_progress")

_LEASE, _BEAT = 15.0, 3.0
"""Seconds that a lease on a response lasts, and after which its proxy renews it."""

_LOOKS = 30
"""How often to check whether another proxy has cancelled a response."""

_TTL = 60.0


class _Job:
    """A response in progress."""

    def __init__(self, stored: StoredResponse, known: Responses, call: Call, flow: http.HTTPFlow) -> None:
        self.stored, self.known, self.flow = stored, known, flow
        self.owner = call.owner
        self.events = EventLog()
        self.replay = Replay(flow)
        self.cancelled = False
        self.task: asyncio.Task[None] | None = None

    def set_in_progress(self) -> None:
        """Store the status `in_progress`, unless it has finished: a short one is stored before its first piece."""
        found = self.known.find(self.stored.id)
        if found and found.response.get("status") == "queued":
            self._set(status="in_progress")

    def store_end(self) -> bytes:
        """Store how it ended, unless the final response has already been stored, and return its events."""
        found = self.known.find(self.stored.id)
        if found and found.response.get("status") in _RUNNING:
            if self.cancelled:
                self._set(status="cancelled")
            else:
                call = get_call(self.flow)
                failed = call.failed if call else None
                self._set(**(failed or {"status": "failed", "error": _failure(self.flow)}))
        elif found and self.cancelled:
            self.stored = found
            self._set(status="cancelled")
        final = self.known.find(self.stored.id)
        events = self.events.data
        if final:
            events = events or response_to_stream(final.response)
            self.known.put_events(self.stored.id, events)
        return events

    def _set(self, **members: Any) -> None:
        self.known.put(
            StoredResponse(
                {**self.stored.response, **members}, self.stored.request, self.stored.previous, self.stored.conversation
            )
        )


class BackgroundResponses:
    """Runs responses in the background."""

    def __init__(self, config: Config, reader: RequestReader, stored: StoredResponses) -> None:
        self.config = config
        self.reader = reader
        self.stored = stored
        self.state = stored.state
        self._places = FairShare(MAX_JOBS)
        self._jobs: dict[tuple[str, str], _Job] = {}
        self._by_flow: dict[http.HTTPFlow, _Job] = {}

    async def request(self, flow: http.HTTPFlow) -> None:
        """Start a response in the background, or read or cancel one that is in progress."""
        if flow.response:
            return
        if job := self._by_flow.get(flow):
            self._adopt(flow, job)
            return
        call, local = get_call(flow), get_local_request(flow)
        try:
            if local and local.answer in (api.cancel_response, api.get_response):
                await self._end_lost(local)
            if call and not call.subpath:
                await self._begin(flow, call)
            elif local and local.answer is api.cancel_response:
                await self._cancel(local)
            elif local and local.answer is api.get_response and flow.request.query.get("stream") == "true":
                await self._read(flow, local)
        except ApiError as error:
            if call:
                call.set_error(error)
            flow.response = responses.error_response(error)

    async def live_body(self, flow: http.HTTPFlow) -> None:
        """Wait for the next piece of a stream that a client reads."""
        if body := get_live_body(flow):
            await body.advance()

    def done(self) -> None:
        """Cancel the responses in progress: mitmproxy ends."""
        for job in list(self._jobs.values()):
            if call := get_call(job.flow):
                call.attempts = None
            job.replay.cancel()
            self.state.submit(job.owner, job.store_end)
            job.events.close()

    def _adopt(self, flow: http.HTTPFlow, job: _Job) -> None:
        """Assign the call of a job's own flow to the job's client."""
        if call := get_call(flow):
            call.owner, call.response_id = job.owner, job.stored.id

            def began(piece: bytes) -> None:
                if not job.events.data:
                    self.state.submit(job.owner, job.set_in_progress)
                job.events.append(piece)

            call.tap = began

    async def _begin(self, flow: http.HTTPFlow, call: Call) -> None:
        try:
            request = self.reader.read(flow, call)
        except ApiError:
            return  # it will be refused for that
        content, body = request.content, request.body
        if body.get("background") is not True:
            return
        store = self.state.store
        if store is None:
            raise bad_request(
                "`background` needs stored responses, and codex_state is off: set it to memory or disk", "background"
            )
        if body.get("store") is False:
            raise bad_request("`background` needs `store`: leave that out, or set it to true", "background")
        if not self._places.take(call.owner):
            raise _too_many(self._places.held(call.owner))
        known = Responses(store, call.owner)
        references = history.References()
        try:
            if history.refers(body):
                # If the response is not stored, the client gets the error at once.
                references = await self.stored.resolve(call.owner, dict(body), known, Conversations(store, call.owner))
            stored = StoredResponse(new_response(body, "queued"), content, references.previous, references.conversation)
            await self.state.run(call.owner, lambda: known.put(stored))
        except BaseException:
            self._places.release(call.owner)
            raise
        sent = {name: value for name, value in body.items() if name != "background"} | {"stream": True}
        job = _Job(stored, known, call, copy_request(flow, flow.request.path, write_request(sent)))
        self._by_flow[job.flow] = job
        self._jobs[call.owner, stored.id] = job
        job.task = asyncio.create_task(self._run(job))
        forget_call(flow)
        if body.get("stream") is True:
            self._stream(flow, job.events, None)
        else:
            flow.response = responses.json_response(200, dumps(stored.response))

    async def _run(self, job: _Job) -> None:
        key = _lease_key(job.owner, job.stored.id)
        watch = asyncio.create_task(self._keep_lease(job, key))
        events = b""
        try:
            await job.replay.run()
        except Exception:
            logger.exception("a response in the background failed")
        finally:
            watch.cancel()
            try:
                events = await self.state.run(job.owner, job.store_end)
            finally:
                if not job.events.data:
                    job.events.append(events)
                job.events.close()
                self.config.values.update(key, lambda _: None, _TTL)
                if call := get_call(job.flow):
                    call.tap = None
                self._by_flow.pop(job.flow, None)
                self._jobs.pop((job.owner, job.stored.id), None)
                self._places.release(job.owner)

    async def _keep_lease(self, job: _Job, key: str) -> None:
        """Renew the lease on a response, until a client asks another proxy to cancel it."""
        values, cancelled = self.config.values, _cancel_key(job.owner, job.stored.id)
        while not values.get(cancelled):
            values.update(key, _lease, _TTL)
            await asyncio.sleep(_BEAT)
            await values.refresh({cancelled: _TTL})
        job.cancelled = True
        await job.replay.leave()

    async def _runs_elsewhere(self, owner: str, response_id: str) -> bool:
        """Return whether another proxy has a lease on a response."""
        key, values = _lease_key(owner, response_id), self.config.values
        await values.refresh({key: _TTL})
        return self.state.is_down or (values.get(key) or 0.0) > time.time()

    async def _cancel(self, local: LocalRequest) -> None:
        owner, response_id = local.owner, local.ids[0]
        if job := self._jobs.get((owner, response_id)):
            job.cancelled = True
            # As if a client had left, and not as a lost connection, whose request would be sent again.
            await job.replay.leave()
            await job.events.wait_closed()
        elif await self._is_running(owner, response_id):
            self.config.values.update(_cancel_key(owner, response_id), lambda _: True, _TTL)
            for _ in range(_LOOKS):
                await asyncio.sleep(_BEAT / 10)
                if not await self._is_running(owner, response_id):
                    break

    async def _is_running(self, owner: str, response_id: str) -> bool:
        """Return whether the stored response has not finished."""
        store = self.state.store
        stored = await self.state.run(owner, lambda: Responses(store, owner).find(response_id)) if store else None
        return stored is not None and stored.response.get("status") in _RUNNING

    async def _end_lost(self, local: LocalRequest) -> None:
        """End a response whose proxy has ended."""
        owner, response_id = local.owner, local.ids[0]
        store = self.state.store
        if store is None or (owner, response_id) in self._jobs or not await self._is_running(owner, response_id):
            return
        if await self._runs_elsewhere(owner, response_id):
            return

        def end() -> None:
            known = Responses(store, owner)
            stored = known.find(response_id)
            if stored and stored.response.get("status") in _RUNNING:
                error = {"code": "server_error", "message": "The proxy ended before the response did."}
                known.put(replace(stored, response={**stored.response, "status": "failed", "error": error}))

        await self.state.run(owner, end)

    async def _read(self, flow: http.HTTPFlow, local: LocalRequest) -> None:
        """Answer with the events of a response; if it is in progress, new ones as they arrive."""
        after = _sequence_number(flow.request.query.get("starting_after"))
        if job := self._jobs.get((local.owner, local.ids[0])):
            self._stream(flow, job.events, after)
            return
        known = Responses(self._require_store(), local.owner)

        def read() -> tuple[StoredResponse, bytes | None]:
            return known.get(local.ids[0]), known.events(local.ids[0])

        stored, events = await self.state.run(local.owner, read)
        if events is None and stored.response.get("status") in _RUNNING:
            message = "another proxy is at work on this response: read it without `stream` until it is completed"
            raise ApiError(409, message, code="response_in_progress")
        events = events or response_to_stream(stored.response)
        flow.response = responses.live_stream_response(flow)
        flow.response.content = events[offset_after(events, after) :]

    def _require_store(self) -> Store:
        store = self.state.store
        if store is None:
            raise bad_request("codex_state is off: nothing is stored. Set it to memory or disk")
        return store

    def _stream(self, flow: http.HTTPFlow, events: EventLog, after: int | None) -> None:
        flow.response = responses.live_stream_response(flow)
        set_live_body(flow, LiveBody(events.read(after)))


def _too_many(held: int) -> ApiError:
    """Return the error for one who has so many responses in the background."""
    message = (
        f"{held} of your responses run in the background, your share of the {MAX_JOBS} that this proxy can run. Wait "
        "until one is completed, cancel one (POST /v1/responses/{id}/cancel), or leave `background` out"
    )
    return ApiError(429, message, param="background", retry_after=10)


def _lease(_before: float | None) -> float:
    """Return when a lease ends that is renewed now."""
    return time.time() + _LEASE


def _lease_key(owner: str, response_id: str) -> str:
    return f"running/{owner}/{response_id}"


def _cancel_key(owner: str, response_id: str) -> str:
    return f"cancelled/{owner}/{response_id}"


def _failure(flow: http.HTTPFlow) -> dict[str, Any]:
    """Return the error for a request that got no response."""
    answer = loads_object(flow.response.content or b"") if flow.response else None
    error = (answer or {}).get("error")
    if isinstance(error, dict):
        return {"code": error.get("code") or error.get("type"), "message": error.get("message")}
    return {"code": "server_error", "message": "The connection to the endpoint was lost."}


def _sequence_number(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 9:
        raise bad_request(f"`starting_after` is {text!r}: it must be the sequence number of an event", "starting_after")
    return int(text)
