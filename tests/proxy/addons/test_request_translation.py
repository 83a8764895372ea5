"""What the translation of requests does to flows that already have a response."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons, tflow

from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.instructions_refresh import InstructionsRefresh
from codex_transform.proxy.addons.request_log import RequestLog
from codex_transform.proxy.addons.request_translation import RequestTranslation
from codex_transform.proxy.addons.shared_state import SharedState
from codex_transform.proxy.addons.stored_responses import StoredResponses
from codex_transform.proxy.bodies import RequestReader

KEY = "Bearer sk-of-another-provider"


@pytest.fixture
async def transform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RequestTranslation]:
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config({})
    log = RequestLog(config)
    with taddons.context(Proxyserver(), config):
        stored = StoredResponses(SharedState(config))
        yield RequestTranslation(config, InstructionsRefresh(config), RequestReader(), stored, log)
    log.done()


def with_response(*, live: bool) -> http.HTTPFlow:
    """A flow that is not intercepted and has its response: a refused one if it is live, else one from a file."""
    flow = tflow.tflow(resp=True)
    flow.live = live
    flow.request.headers["authorization"] = KEY
    return flow


async def test_a_refused_request_shows_no_key(transform: RequestTranslation) -> None:
    flow = with_response(live=True)
    transform.requestheaders(flow)
    assert flow.request.headers["authorization"] == "Bearer sk-…ider"


async def test_a_flow_from_a_file_is_unchanged(transform: RequestTranslation) -> None:
    flow = with_response(live=False)
    transform.requestheaders(flow)
    assert flow.request.headers["authorization"] == KEY
