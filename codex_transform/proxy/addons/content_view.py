"""Addon: the content view "Codex", which shows the requests and responses of our flows as readable pages.

The only place where the content views of mitmproxy 11 and 12 differ. In either, views run in the event loop, so a page
is bounded however large the body is; what makes pages is loaded with the first of them. Only the flow is looked at, its
bodies and its metadata: flows from a file show the same page as live ones. mitmproxy and mitmweb pick the view by
`render_priority`, which says no to every other flow.
"""

import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from mitmproxy import http

from codex_transform.endpoint.url import api_path
from codex_transform.proxy.addons.body_retention import ORIGINAL_REQUEST
from codex_transform.proxy.addons.call_recorder import RECORD, recorded

_NAME = "Codex"

# mitmproxy's own views stay at 1 and below.
_HIGH, _NEVER = 10.0, -1.0

# What the body of a request or response of the Responses API begins with, or contains.
_REQUEST_MEMBERS = (b'"model"', b'"input"')
_EVENTS = (b"event: response.", b"event: error", b'data: {"type":"response.', b'data: {"type":"error"')
_ANSWER_MEMBERS = (b'"object":"response', b'"object": "response', b'"error"')

_EMPTY_LINE = re.compile("^$", re.MULTILINE)

# The parts of mitmproxy that differ between versions.
_contentviews: Any = import_module("mitmproxy.contentviews")
_registry: Any = getattr(_contentviews, "registry", None)


class ContentViews:
    """Registers the view."""

    def __init__(self) -> None:
        self._view = _View11() if _registry is None else _View12()

    def load(self, loader: object) -> None:  # noqa: ARG002
        """Register the view, once: mitmproxy 12 has no way to remove one, and a script may be loaded again."""
        if not any(isinstance(view, _View11 | _View12) for view in _registered()):
            _contentviews.add(self._view)


class _View12:
    """mitmproxy 12: a page is one text."""

    name = _NAME
    syntax_highlight = "none"

    def prettify(self, data: bytes, metadata: Any) -> str:
        return _page(data, metadata.flow, metadata.http_message)

    def render_priority(self, data: bytes, metadata: Any) -> float:
        return _priority(data, metadata.flow, metadata.http_message)

    def __lt__(self, other: Any) -> bool:
        return bool(self.name < other.name)


class _View11:
    """mitmproxy 11: a page is lines of styled pieces."""

    name = _NAME

    def __call__(
        self, data: bytes, *, flow: object = None, http_message: object = None, **_: object
    ) -> tuple[str, Iterator[list[tuple[str, str]]]]:
        lines = _page(data, flow, http_message).split("\n")
        return self.name, ([("header" if line.startswith("── ") else "text", line)] for line in lines)

    def render_priority(self, data: bytes, *, flow: object = None, http_message: object = None, **_: object) -> float:
        return _priority(data, flow, http_message)

    def __lt__(self, other: Any) -> bool:
        return bool(self.name < other.name)


def _registered() -> Iterable[object]:
    views: Iterable[object] = _contentviews.views if _registry is None else _registry.values()
    return views


def _page(data: bytes, flow: object, message: object) -> str:
    # mitmweb gives an empty line no height.
    return _EMPTY_LINE.sub(" ", _text(data, flow, message))


def _text(data: bytes, flow: object, message: object) -> str:
    from codex_transform.inspect import request, response

    metadata = flow.metadata if isinstance(flow, http.HTTPFlow) else {}
    record = recorded(flow) if isinstance(flow, http.HTTPFlow) else None
    if isinstance(message, http.Request):
        original = metadata.get(ORIGINAL_REQUEST)
        return request.render(data, record, original if isinstance(original, dict) else None)
    if isinstance(message, http.Response):
        retry_after = message.headers.get("retry-after")
        return response.render(data, record, status=message.status_code, retry_after=retry_after)
    return response.render(data, record)


def _priority(data: bytes, flow: object, message: object) -> float:
    if not isinstance(flow, http.HTTPFlow) or not isinstance(message, http.Request | http.Response):
        return _NEVER
    if RECORD in flow.metadata or ORIGINAL_REQUEST in flow.metadata:
        return _HIGH
    if flow.request.method != "POST" or not (api_path(flow.request.path) or "").startswith("/responses"):
        return _NEVER
    if isinstance(message, http.Request):
        is_ours = data.lstrip()[:1] == b"{" and all(member in data for member in _REQUEST_MEMBERS)
    else:
        beginning = data[:4096].lstrip()
        signs = _ANSWER_MEMBERS if beginning.startswith(b"{") else _EVENTS
        is_ours = any(sign in beginning for sign in signs)
    return _HIGH if is_ours else _NEVER
