"""What is known of a call once its answer is over, the same for clients that stream and those that do not."""

from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils
from response.streams import USAGE, answer, stream

from codex_transform.endpoint import Endpoint
from codex_transform.proxy import call as calls
from codex_transform.proxy.answer import Answer
from codex_transform.proxy.config import Config
from codex_transform.proxy.requestlog import RequestLog
from codex_transform.proxy.streamed import StreamedAnswer
from codex_transform.response.stream import AnswerStream


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Answer:
    monkeypatch.setenv("HOME", str(tmp_path))
    return Answer(RequestLog(Config({})))


def answered(body: bytes, status: int = 200) -> tuple[http.HTTPFlow, calls.Call]:
    flow = tflow.tflow(resp=tutils.tresp(status_code=status, content=body, headers=()))
    call = calls.begin(flow, "")
    call.endpoint = Endpoint("https", "endpoint.example", 443, "/responses")
    return flow, call


def pass_on(flow: http.HTTPFlow, body: bytes, *, whole: bool) -> None:
    """Gives the answer to a streaming client."""
    assert flow.response
    flow.response.stream = streamed = StreamedAnswer(AnswerStream(None, None))
    streamed(body)
    if whole:
        streamed(b"")


@pytest.mark.parametrize("streaming", [True, False])
def test_an_answer(hooks: Answer, streaming: bool) -> None:
    body = stream(answer())
    flow, call = answered(body)
    if streaming:
        pass_on(flow, body, whole=True)
    hooks.response(flow)
    assert (call.outcome, call.events, call.usage) == ("completed", len(answer()), USAGE)
    assert (call.first_token is not None) is streaming
    assert call.error is None


@pytest.mark.parametrize("streaming", [True, False])
def test_what_was_mended(hooks: Answer, streaming: bool) -> None:
    body = stream([{"type": "codex.rate_limits"}, *answer()])
    flow, call = answered(body)
    if streaming:
        pass_on(flow, body, whole=True)
    hooks.response(flow)
    assert "codex.*" in call.repaired


def test_a_stream_that_was_cut_off(hooks: Answer) -> None:
    body = stream(answer()[:4])
    flow, call = answered(body)
    pass_on(flow, body, whole=True)
    hooks.response(flow)
    assert call.outcome == "cut"


def test_an_http_error(hooks: Answer) -> None:
    flow, call = answered(b'{"detail": "no"}', 500)
    hooks.response(flow)
    assert (call.outcome, call.events, call.usage) == ("error", 0, None)
    assert call.error is not None


def test_a_client_that_has_left(hooks: Answer) -> None:
    body = stream(answer()[:4])
    flow, call = answered(body)
    pass_on(flow, body, whole=False)
    hooks.error(flow)
    assert (call.outcome, call.events) == ("left", 4)
    assert call.first_token is not None
