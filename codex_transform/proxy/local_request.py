"""Requests of ours that the proxy answers by itself, from what is stored.

Kept beside the flow for the same reasons as calls: see `call.py`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from mitmproxy import http

from codex_transform.state.api import Query


class LocalRequest(NamedTuple):
    """A request for something stored: the function that answers it, the ids in its path, and who sent it."""

    answer: Callable[[Query], dict[str, Any]]
    ids: tuple[str, ...]
    owner: str


_requests: WeakKeyDictionary[http.HTTPFlow, LocalRequest] = WeakKeyDictionary()


def start_local_request(flow: http.HTTPFlow, request: LocalRequest) -> None:
    """Mark a flow as one that is answered here."""
    _requests[flow] = request


def get_local_request(flow: http.HTTPFlow) -> LocalRequest | None:
    """Return what a flow asks for, None if it is not answered here."""
    return _requests.get(flow)


def forget_local_requests(flow: http.HTTPFlow) -> None:
    """Make a flow one that is answered by nothing here."""
    _requests.pop(flow, None)
    _models.pop(flow, None)


class ModelsRequest(NamedTuple):
    """A request for the list of models, or for one of them."""

    model: str | None


_models: WeakKeyDictionary[http.HTTPFlow, ModelsRequest] = WeakKeyDictionary()


def start_models_request(flow: http.HTTPFlow, request: ModelsRequest) -> None:
    """Mark a flow as one for models."""
    _models[flow] = request


def get_models_request(flow: http.HTTPFlow) -> ModelsRequest | None:
    """Return what a flow asks for, None if it is not for models."""
    return _models.get(flow)
