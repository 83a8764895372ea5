"""Figures about calls in the form that Prometheus collects.

The labels are bounded. An endpoint is named by its host, which comes from the settings, and a person as the proxy's
owner has named them; `none` stands for nobody. A model of the catalogue is named; another one, whose name is a client's
text, only once the endpoint has answered a call to it, if it looks like a name and not like a key, and if it is among
the first of them. All others are `other`. A request that became no call of a model is counted as a refusal, if at all.
"""

import re
from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from codex_transform import catalog
from codex_transform.redaction import redact_secrets
from codex_transform.usage.record import Record
from codex_transform.usage.refusals import REASONS, Reason

CONTENT_TYPE = CONTENT_TYPE_LATEST

MAX_UNKNOWN = 20
"""How many models that the catalogue lacks, and how many endpoints, have a label of their own."""

NONE, OTHER = "none", "other"

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,47}")
_LABELS = ("model", "endpoint", "person")
_SECONDS = (0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 300, 600)


class CallMetrics:
    """Counts finished calls. Any thread may count while another one renders."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._models = BoundedNames(lambda name: name in {model.slug for model in catalog.models()})
        self._endpoints = BoundedNames(lambda _: False)
        self._calls = self._counter("calls", "Finished calls by how they ended.", "outcome")
        self._attempts = self._counter("attempts", "Requests that were made to the endpoint for calls.")
        self._input = self._counter("input_tokens", "Input tokens, including those from the cache.")
        self._cached = self._counter("cached_tokens", "Input tokens that came from the endpoint's cache.")
        self._output = self._counter("output_tokens", "Output tokens, including those of reasoning.")
        self._reasoning = self._counter("reasoning_tokens", "Output tokens of reasoning.")
        self._first_token = self._histogram("first_token_seconds", "Time to the first token of a streamed answer.")
        self._total = self._histogram("call_seconds", "Time to the end of a call.")
        self._refusals = Counter(
            "codex_refusals", "Requests that the proxy itself refused.", ["reason"], registry=self._registry
        )
        for reason in REASONS:
            self._refusals.labels(reason)  # a rate needs the 0 before the first
        self._streams = self._gauge("streams_open", "Streams in progress.")
        self._open = self._gauge("calls_open", "Calls in progress, streamed or not.")
        self._draining = self._gauge("draining", "1 while the proxy is being stopped.")
        self._ready = self._gauge("ready", "1 while the proxy is ready, as /readyz says.")

    def observe(self, record: Record, endpoint: str | None) -> None:
        """Count a finished call to an endpoint, which is named by its host; a request that became no call is none."""
        if not record.is_call:
            return
        answered = record.outcome in ("completed", "incomplete")
        named = answered and _is_model_name(record.model or "")
        labels = (
            self._models.label(record.model, new=named),
            self._endpoints.label(endpoint, new=True),
            record.person or NONE,
        )
        self._calls.labels(*labels, record.outcome).inc()
        self._attempts.labels(*labels).inc(record.sent)
        tokens = record.all_tokens
        for counter, number in (
            (self._input, tokens.input),
            (self._cached, tokens.cached),
            (self._output, tokens.output),
            (self._reasoning, tokens.reasoning),
        ):
            counter.labels(*labels).inc(max(0, number))
        for histogram, seconds in ((self._first_token, record.first_token), (self._total, record.total)):
            if seconds is not None:
                histogram.labels(*labels).observe(seconds)

    def refused(self, reason: Reason) -> None:
        """Count a request that the proxy itself refused."""
        self._refusals.labels(reason).inc()

    def set_state(self, *, streams: int, calls: int, draining: bool, ready: bool) -> None:
        """Set what holds at this moment."""
        self._streams.set(streams)
        self._open.set(calls)
        self._draining.set(draining)
        self._ready.set(ready)

    def render(self) -> bytes:
        """Return all of it, of the type `CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _counter(self, name: str, meaning: str, *more: str) -> Counter:
        return Counter(f"codex_{name}", meaning, (*_LABELS, *more), registry=self._registry)

    def _histogram(self, name: str, meaning: str) -> Histogram:
        return Histogram(f"codex_{name}", meaning, _LABELS, buckets=_SECONDS, registry=self._registry)

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"codex_{name}", meaning, registry=self._registry)


class BoundedNames:
    """Names that may be labels: those that `is_known`, and the first of the others."""

    def __init__(self, is_known: Callable[[str], bool]) -> None:
        self._is_known = is_known
        self._seen: set[str] = set()

    def label(self, name: str | None, *, new: bool) -> str:
        """Return the label for a name; `new` says whether one that was never seen may have a label of its own."""
        if name is None:
            return NONE
        if name in self._seen or self._is_known(name):
            return name
        if not new or len(self._seen) >= MAX_UNKNOWN:
            return OTHER
        self._seen.add(name)
        return name


def _is_model_name(text: str) -> bool:
    return bool(_MODEL_NAME.fullmatch(text)) and redact_secrets(text, aggressive=True) == text
