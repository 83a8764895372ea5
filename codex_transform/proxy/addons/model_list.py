"""Addon: answers requests for the list of models: with the endpoint's own if it has one, else with the catalogue.

An endpoint that has no list is asked again after a day. The Codex CLI requests its own form of the list
(`?client_version=`): if the endpoint has none, it gets an empty one, and uses the list that is built into it.
A person who may use some models only is shown no others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from mitmproxy import http

from codex_transform.catalog import models, resolve
from codex_transform.endpoint.headers import codex_headers
from codex_transform.endpoint.url import Endpoint
from codex_transform.errors import ApiError
from codex_transform.jsonio import dumps, loads_object
from codex_transform.proxy import credentials, responses
from codex_transform.proxy.addons.client_access import is_open_proxy
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.admission import get_admission
from codex_transform.proxy.local_request import get_models_request
from codex_transform.proxy.passing import Passing, start_passing
from codex_transform.proxy.replay import Replay, copy_request

if TYPE_CHECKING:
    from codex_transform.people.person import Limits

logger = logging.getLogger(__name__)

_TIMEOUT = 5.0
"""Seconds that the endpoint may take."""

_ASK_AGAIN = 24 * 3600.0
"""Seconds after which an endpoint without a list is asked again."""


class ModelList:
    """Answers requests for models."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._without_list: dict[str, float] = {}

    async def request(self, flow: http.HTTPFlow) -> None:
        """Answer a request for the list, or for a model."""
        asked = get_models_request(flow)
        if asked is None or flow.response:
            return
        for_codex = "client_version" in flow.request.query
        listed = await self._from_endpoint(flow) or {}
        try:
            answer = _for_codex(listed) if for_codex else _for_openai(listed)
            if admission := get_admission(flow):
                answer = _allowed(answer, admission.person)
            if asked.model is not None:
                answer = _one(answer, asked.model)
            flow.response = responses.json_response(200, dumps(answer))
        except ApiError as error:
            flow.response = responses.error_response(error)

    async def _from_endpoint(self, flow: http.HTTPFlow) -> dict[str, Any] | None:
        """Return the endpoint's list, None if it has none."""
        endpoint, key = self.config.endpoint, self.config.settings.api_key
        if endpoint is None or key is None or is_open_proxy(self.config):
            return None
        if time.monotonic() < self._without_list.get(endpoint.url, 0):
            return None
        asking = _models_request(flow, endpoint, f"Bearer {key.value}")
        replay = Replay(asking)
        try:
            async with asyncio.timeout(_TIMEOUT):
                await replay.run()
        except TimeoutError:
            replay.cancel()
        except Exception:
            logger.exception("asking the endpoint for its models failed")
        answer = asking.response
        listed = loads_object(answer.content or b"") if answer and answer.status_code == 200 else None
        if listed and (_rows(listed, "data", "id") or _rows(listed, "models", "slug")):
            return listed
        self._without_list[endpoint.url] = time.monotonic() + _ASK_AGAIN
        return None


def _models_request(flow: http.HTTPFlow, endpoint: Endpoint, authorization: str) -> http.HTTPFlow:
    """Return a flow that asks the endpoint for its list."""
    query = flow.request.path.partition("?")[2]
    path = f"{endpoint.path.removesuffix('/responses')}/models{'?' if query else ''}{query}"
    asking = copy_request(flow, path, b"")
    request = asking.request
    request.scheme, request.host, request.port = endpoint.scheme, endpoint.host, endpoint.port
    request.authority = ""
    shown = credentials.redacted_authorization(authorization)
    fields = codex_headers(authorization=shown, originator=None, session=None, streaming=False)
    agent = [field for field in request.headers.fields if field[0].lower() in (b"user-agent", b"originator")]
    request.headers = http.Headers([(b"Host", endpoint.authority.encode()), *agent, *fields])
    start_passing(asking, Passing(endpoint, authorization))
    return asking


def _rows(listed: dict[str, Any], name: str, member: str) -> list[dict[str, Any]]:
    """Return the rows of a list in which this member names a model."""
    rows = listed.get(name)
    if not isinstance(rows, list):
        return []
    return [row for row in rows if isinstance(row, dict) and isinstance(row.get(member), str)]


def _for_codex(listed: dict[str, Any]) -> dict[str, Any]:
    return listed if _rows(listed, "models", "slug") else {"models": []}


def _for_openai(listed: dict[str, Any]) -> dict[str, Any]:
    if _rows(listed, "data", "id"):
        return listed
    slugs = [row["slug"] for row in _rows(listed, "models", "slug")] or [model.slug for model in models()]
    return {"object": "list", "data": [_model(slug) for slug in slugs]}


def _allowed(listed: dict[str, Any], limits: Limits) -> dict[str, Any]:
    """Return the list without the models that may not be asked for."""
    kept = {
        name: [row for row in _rows(listed, name, member) if limits.allows(row[member])]
        for name, member in (("data", "id"), ("models", "slug"))
        if name in listed
    }
    return {**listed, **kept}


def _one(listed: dict[str, Any], name: str) -> dict[str, Any]:
    for row in _rows(listed, "data", "id"):
        if row["id"] in (name, resolve(name).slug):
            return {**row, "id": name}
    raise ApiError(
        404,
        f"The model '{name}' does not exist, or your key may not use it: `GET /models` lists those it may",
        type="invalid_request_error",
        code="model_not_found",
        param="model",
    )


def _model(slug: str) -> dict[str, Any]:
    return {"id": slug, "object": "model", "created": 0, "owned_by": "openai"}
