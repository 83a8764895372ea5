"""Addon: retains the bodies of flows for users who inspect them, and evicts the oldest.

mitmproxy does not keep bodies that it streams, and a request of ours has been rewritten by the time that it is shown.
So where somebody may look (mitmweb, the console, a flow file, a HAR file) a flow gets the response as the client got
it, and in its metadata the request as the client sent it. The bodies of all finished flows together stay within the
setting `keep_mb`: beyond it the oldest flows lose theirs. Flows are referenced weakly, so a flow that the user deletes
frees its share. Plain mitmdump shows nothing, so it retains nothing.
"""

import asyncio
from collections import OrderedDict, deque
from typing import Any
from weakref import ref

from mitmproxy import ctx, http
from mitmproxy.hooks import UpdateHook

from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.call import get_call
from codex_transform.proxy.flow_annotations import flows_are_inspected, mark_bodies_dropped
from codex_transform.proxy.stream_function import StreamFunction
from codex_transform.redaction import redact_key

ORIGINAL_REQUEST = "codex_original"
"""Where `flow.metadata` has the client's request: `method`, `url`, `headers` as pairs, and `content`, decoded. It has
no credentials."""


class BodyRetention:
    """Retains bodies within a limit."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._retained = _RetainedFlows()

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Start to retain a request, whose credentials are already redacted; a replayed one has its original."""
        if get_call(flow) is None:
            return
        self._retained.discard(flow)
        if self._limit and flows_are_inspected() and not (flow.is_replay and ORIGINAL_REQUEST in flow.metadata):
            request = flow.request
            flow.metadata[ORIGINAL_REQUEST] = {
                "method": request.method,
                "url": request.url,
                "headers": _pairs(request.headers),
            }

    def request(self, flow: http.HTTPFlow) -> None:
        """Retain the client's body, which the translation has left in the call."""
        call, original = get_call(flow), flow.metadata.get(ORIGINAL_REQUEST)
        if call is None or original is None or "content" in original:
            return
        if call.original is None:
            original["content"] = flow.request.raw_content or b""
        else:
            original["content"] = call.original
            original["headers"] = [pair for pair in original["headers"] if pair[0].lower() != "content-encoding"]

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Start to retain a response."""
        streamed = _streamed(flow)
        if not streamed or not self._limit or not flows_are_inspected():
            return
        # mitmproxy 12 has an option to do this itself.
        if not ("store_streamed_bodies" in ctx.options and ctx.options.store_streamed_bodies):
            streamed.retain(self._limit)

    def response(self, flow: http.HTTPFlow) -> None:
        """Retain a response that is complete."""
        call = get_call(flow)
        if call is None:
            return
        if streamed := _streamed(flow):
            assert flow.response
            # mitmproxy may have kept the body instead. Its setter would add a content-length to a stream.
            retained = streamed.retained if streamed.retained is not None else flow.response.raw_content
            flow.response.data.content = redact_key(retained, call.key) if retained else retained
            if retained is None and self._limit and flows_are_inspected():
                mark_bodies_dropped(flow)  # it alone exceeds the limit for all flows
            # The stream function would keep holding it.
            flow.response.stream = False
        # The call lives as long as its flow, so what is large or secret is dropped here.
        call.original = call.transformed = call.authorization = call.forwarded = call.attempts = call.collected = None
        if flows_are_inspected():
            self._retained.add(flow)
            # Only after mitmproxy has forwarded the body that the flow holds.
            asyncio.get_running_loop().call_soon(self._evict)

    def error(self, flow: http.HTTPFlow) -> None:
        """Retain the part of a response that a client got before it left."""
        self.response(flow)

    @property
    def _limit(self) -> int:
        return self.config.settings.keep_mb * 1_000_000

    def _evict(self) -> None:
        """Remove the oldest bodies from their flows until the rest is within the limit."""
        evicted = self._retained.evict_to(self._limit)
        for flow in evicted:
            flow.request.data.content = None
            if flow.response:
                flow.response.data.content = None
            flow.metadata.pop(ORIGINAL_REQUEST, None)
            mark_bodies_dropped(flow)
        if evicted:
            ctx.master.addons.trigger(UpdateHook(evicted))


class _RetainedFlows:
    """Finished flows, oldest first, and how many bytes each holds."""

    def __init__(self) -> None:
        self._flows: OrderedDict[str, tuple[ref[http.HTTPFlow], int]] = OrderedDict()
        self._total = 0
        self._deleted: deque[str] = deque()

    def add(self, flow: http.HTTPFlow) -> None:
        """Count a flow."""
        self.discard(flow)
        # May be called at any time, in the middle of any line of this class.
        deleted = self._deleted.append
        key = flow.id
        size = _size(flow)
        self._flows[key] = ref(flow, lambda _: deleted(key)), size
        self._total += size

    def discard(self, flow: http.HTTPFlow) -> None:
        """Stop counting a flow."""
        self._drop(flow.id)

    def evict_to(self, limit: int) -> list[http.HTTPFlow]:
        """Stop counting the oldest flows until the rest is within the limit, and return them.

        Flows that mitmproxy is still using are skipped.
        """
        while self._deleted:
            self._drop(self._deleted.popleft())
        evicted: list[http.HTTPFlow] = []
        live: list[http.HTTPFlow] = []
        while self._total > limit:
            _, (reference, size) = self._flows.popitem(last=False)
            self._total -= size
            if flow := reference():
                (live if flow.live else evicted).append(flow)
        for flow in live:
            self.add(flow)
        return evicted

    def _drop(self, key: str) -> None:
        self._total -= self._flows.pop(key, (None, 0))[1]


def _streamed(flow: http.HTTPFlow) -> StreamFunction | None:
    stream = flow.response and flow.response.stream
    return stream if isinstance(stream, StreamFunction) else None


def _pairs(headers: http.Headers) -> list[list[str]]:
    # mitmproxy decodes bytes that are not UTF-8 to lone surrogates, which it cannot write to a flow file.
    return [[part.decode("utf-8", "replace") for part in pair] for pair in headers.fields]


def _size(flow: http.HTTPFlow) -> int:
    original: Any = flow.metadata.get(ORIGINAL_REQUEST) or {}
    bodies = (flow.request.raw_content, flow.response and flow.response.raw_content, original.get("content"))
    return sum(len(body) for body in bodies if body)
