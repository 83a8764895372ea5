"""The sandbox's Codex backend: takes a request, returns the planned response. No sockets.

Strategy: check (`validation`), answer (`output`, `events`), count (`cache`), and apply a fault if one was asked for
(`fault_plan`, or the request's own `x-sandbox-misbehave` header). A request that is refused leaves the plan as it is.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from codex_transform import catalog
from codex_transform.sandbox.cache import PromptCache, tokens
from codex_transform.sandbox.connection import Request
from codex_transform.sandbox.events import response_object, stream
from codex_transform.sandbox.fault_plan import FaultPlan
from codex_transform.sandbox.faults.table import apply, parse_faults
from codex_transform.sandbox.journal import RecordedRequest
from codex_transform.sandbox.output import MARK, answer, compaction, message
from codex_transform.sandbox.planned_response import PlannedResponse, whole
from codex_transform.sandbox.toolcalls import new_id
from codex_transform.sandbox.validation import RefusedError, check, check_key, parse, refuse


class Backend:
    """Options as in `Sandbox`. `plan` holds the faults to come."""

    def __init__(self, key: str, models: Iterable[str] | None, delay: float, fill_output: bool) -> None:
        self.plan = FaultPlan()
        self._key = key
        self._models = _known(models)
        self._delay = delay
        self._fill_output = fill_output
        self._cache = PromptCache()

    def respond(self, request: Request, path: str, received: RecordedRequest, origin: str) -> PlannedResponse:
        """Return the response to a request, with its fault if one is planned for it.

        Fills in what `received` can know by now; `origin` is where the sandbox is reached. Raises nothing that is the
        client's fault.
        """
        headers = dict(request.headers)
        compact = path.endswith("/responses/compact")
        try:
            if not (compact or path.endswith("/responses")):
                raise refuse("Not Found", 404)
            if request.method != "POST":
                raise refuse("Method Not Allowed", 405)
            received.content = _decoded(request.body, headers.get("content-encoding", "identity"))
            try:
                received.body = body = parse(received.content)
            except RefusedError:
                check_key(headers, self._key)
                raise
            check_key(headers, self._key)
            check(headers, body, self._models, compact=compact)
        except RefusedError as refusal:
            return whole(refusal.status, refusal.payload)
        planned = self._compacted(body) if compact else self._streamed(body)
        planned.origin, planned.request, planned.size = origin, body, len(request.body)
        asked = headers.get("x-sandbox-misbehave")
        if asked is None:
            received.misbehaviour, edits = self.plan.take(has_tools=bool(body.get("tools")))
        else:
            try:
                received.misbehaviour, edits = asked, parse_faults(asked)
            except ValueError as error:
                return whole(400, {"detail": str(error)})
        apply(edits, planned)
        return planned

    def _streamed(self, body: Mapping[str, Any]) -> PlannedResponse:
        items = answer(body)
        response = response_object(body, new_id("resp"))
        events = stream(response, items, self._usage(body, items), fill_output=self._fill_output)
        headers = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        return PlannedResponse(headers=headers, events=events, delay=self._delay)

    def _compacted(self, body: Mapping[str, Any]) -> PlannedResponse:
        response = response_object(body, new_id("resp"))
        items = [
            *(item for item in body["input"] if item.get("role") == "user"),
            message(f"{MARK} The conversation so far was compacted: a stand-in remembers nothing of it."),
            compaction(),
        ]
        return whole(
            200,
            {
                "id": response["id"],
                "object": "response.compaction",
                "created_at": response["created_at"],
                "output": items,
                "usage": self._usage(body, items),
            },
        )

    def _usage(self, body: Mapping[str, Any], items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        input_tokens = self._cache.count(body)
        reasoning = sum(tokens(_length(item)) for item in items if item["type"] == "reasoning")
        made = reasoning + sum(tokens(_length(item)) for item in items if item["type"] != "reasoning")
        return {
            "input_tokens": input_tokens.all,
            "input_tokens_details": {"cached_tokens": input_tokens.cached, "cache_write_tokens": input_tokens.written},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": input_tokens.all + made,
        }


def _known(slugs: Iterable[str] | None) -> dict[str, catalog.Model]:
    models = {model.slug: model for model in catalog.models()}
    if slugs is None:
        return {slug: model for slug, model in models.items() if slug not in catalog.aliases()}
    anything = next(iter(models.values()))._replace(efforts=catalog.EFFORTS, supports_verbosity=True)
    return {slug: models.get(slug) or anything._replace(slug=slug) for slug in slugs}


def _length(item: Mapping[str, Any]) -> int:
    """Return how many characters a model would have written for an item."""
    parts = [*item.get("content", ()), *item.get("summary", ())]
    return sum(len(part["text"]) for part in parts) + sum(len(item.get(name, "")) for name in ("arguments", "input"))


def _decoded(body: bytes, coding: str) -> bytes:
    if coding == "identity":
        return body
    if coding != "gzip":
        raise refuse(f"Unsupported content encoding: {coding}", 415)
    try:
        return zlib.decompress(body, wbits=31)
    except zlib.error:
        raise refuse("The body is not valid gzip") from None
