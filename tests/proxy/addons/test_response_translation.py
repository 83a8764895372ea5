"""What is known of a call once its response has ended, whether its client streams or not."""

import gzip
import json
from pathlib import Path

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils
from response.streams import USAGE, answer, block, stream

from codex_transform.endpoint.url import Endpoint
from codex_transform.errors import ApiError
from codex_transform.proxy import responses
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.request_log import RequestLog
from codex_transform.proxy.addons.response_translation import ResponseTranslation
from codex_transform.proxy.call import Call, start_call
from codex_transform.proxy.stream_function import StreamFunction
from codex_transform.response.client_view import ClientView
from codex_transform.response.stream import ResponseStream


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResponseTranslation:
    monkeypatch.setenv("HOME", str(tmp_path))
    return ResponseTranslation(RequestLog(Config({})))


def call_with_response(body: bytes, status: int = 200) -> tuple[http.HTTPFlow, Call]:
    flow = tflow.tflow(resp=tutils.tresp(status_code=status, content=body, headers=()))
    call = start_call(flow, "")
    call.endpoint = Endpoint("https", "endpoint.example", 443, "/responses")
    return flow, call


def stream_to_client(flow: http.HTTPFlow, body: bytes, *, complete: bool) -> None:
    """Sends the response to a streaming client."""
    assert flow.response
    flow.response.stream = streamed = StreamFunction(ResponseStream(ClientView(), None))
    streamed(body)
    if complete:
        streamed(b"")


@pytest.mark.parametrize("streaming", [True, False])
def test_a_complete_response(hooks: ResponseTranslation, streaming: bool) -> None:
    body = stream(answer())
    flow, call = call_with_response(body)
    if streaming:
        stream_to_client(flow, body, complete=True)
    hooks.response(flow)
    assert (call.outcome, call.events, call.usage) == ("completed", len(answer()), USAGE)
    assert (call.first_token is not None) is streaming
    assert call.error is None


@pytest.mark.parametrize("streaming", [True, False])
def test_repairs_are_noted(hooks: ResponseTranslation, streaming: bool) -> None:
    body = stream([{"type": "codex.rate_limits"}, *answer()])
    flow, call = call_with_response(body)
    if streaming:
        stream_to_client(flow, body, complete=True)
    hooks.response(flow)
    assert "codex.*" in call.repaired


def test_a_truncated_stream(hooks: ResponseTranslation) -> None:
    body = stream(answer()[:4])
    flow, call = call_with_response(body)
    stream_to_client(flow, body, complete=True)
    hooks.response(flow)
    assert call.outcome == "cut"


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0"])
def test_the_headers_of_a_stream_are_those_of_http_1_1(version: bytes) -> None:
    """HTTP/1.0 has no chunked transfer coding (RFC 9112 section 6.1)."""
    flow, _ = call_with_response(b"")
    assert flow.response
    flow.response.data.http_version = version
    headers = responses.event_stream_response(flow)
    assert (headers.http_version, headers.headers["transfer-encoding"]) == ("HTTP/1.1", "chunked")
    assert flow.response.data.http_version == version


def test_an_http_error(hooks: ResponseTranslation) -> None:
    flow, call = call_with_response(b'{"detail": "no"}', 500)
    hooks.response(flow)
    assert (call.outcome, call.events, call.usage) == ("error", 0, None)
    assert call.error is not None


def test_a_compaction_is_forwarded(hooks: ResponseTranslation) -> None:
    flow, call = compaction(gzip.compress(b' {"output": []}'), "gzip")
    hooks.response(flow)
    assert flow.response
    assert flow.response.content == b' {"output": []}'
    assert flow.response.headers["content-type"] == "application/json"
    assert (call.outcome, call.error) == ("completed", None)


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        (b"", "", "empty_answer"),
        (b" \r\n", "", "empty_answer"),
        (b"<!doctype html>", "", "not_an_answer"),
        (b"event: response.created\ndata: {}\n\n", "", "not_an_answer"),
        (b"no gzip", "gzip", "stream_cut"),
        (gzip.compress(bytes(70_000_000)), "gzip", "stream_cut"),
    ],
    ids=["empty", "whitespace", "web page", "events", "not gzip", "gzip bomb"],
)
def test_a_body_that_is_no_compaction_is_replaced_by_an_error(
    hooks: ResponseTranslation, body: bytes, encoding: str, code: str
) -> None:
    flow, call = compaction(body, encoding)
    hooks.response(flow)
    assert flow.response
    assert flow.response.status_code == 502
    assert json.loads(flow.response.content or b"")["error"]["code"] == code
    assert call.outcome == "error"


def compaction(body: bytes, encoding: str) -> tuple[http.HTTPFlow, Call]:
    flow, call = call_with_response(body)
    call.subpath = "/compact"
    assert flow.response
    flow.response.headers["content-encoding"] = encoding
    flow.response.raw_content = body
    return flow, call


def test_a_key_of_an_unusual_form_is_redacted_in_errors() -> None:
    """In an error that replaces a response, and in one at the end of a stream."""
    key = "key_of_words"
    call = Call("", authorization=f"Bearer {key}")
    call.set_error(ApiError(502, f"answered: {key}"))
    assert call.error
    assert call.error.message == "answered: …"
    live = StreamFunction(ResponseStream(ClientView(), None), key)
    live(stream(answer()[:4]))
    (event,) = live(block({"type": "error", "code": "x", "message": f"not {key}"}))
    assert b'"message":"not \xe2\x80\xa6"' in event


def test_a_key_that_the_model_writes_is_not_redacted() -> None:
    """A file that a model writes may contain the key, and must be written unchanged."""
    key = "sk-0123456789abcdef"
    text = stream(answer(f"KEY={key}"))
    live = StreamFunction(ResponseStream(ClientView(), None), key)
    assert b"".join([*live(text), *live(b"")]).count(key.encode()) == text.count(key.encode()) > 0


def test_a_client_that_left(hooks: ResponseTranslation) -> None:
    body = stream(answer()[:4])
    flow, call = call_with_response(body)
    stream_to_client(flow, body, complete=False)
    hooks.error(flow)
    assert (call.outcome, call.events) == ("left", 4)
    assert call.first_token is not None


@pytest.mark.parametrize("streaming", [True, False])
def test_half_a_surrogate_pair_reaches_either_client(hooks: ResponseTranslation, streaming: bool) -> None:
    """A relay split an emoji: this is valid JSON, but pydantic_core refuses to write it."""
    body = stream(answer()).replace(b'"Hello"', b'"\\ud83d"').replace(b'"Hello', b'"\\ud83dHello')
    flow, call = call_with_response(body)
    if streaming:
        stream_to_client(flow, body, complete=True)
        hooks.response(flow)
    else:
        hooks.response(flow)
        assert flow.response
        assert flow.response.status_code == 200
        assert b"\\ud83d" in (flow.response.content or b"")
    assert call.error is None
    assert call.outcome == "completed"
