"""What is known of a call once its answer is over, the same for clients that stream and those that do not."""

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


def answered(body: bytes, status: int = 200) -> tuple[http.HTTPFlow, Call]:
    flow = tflow.tflow(resp=tutils.tresp(status_code=status, content=body, headers=()))
    call = start_call(flow, "")
    call.endpoint = Endpoint("https", "endpoint.example", 443, "/responses")
    return flow, call


def pass_on(flow: http.HTTPFlow, body: bytes, *, whole: bool) -> None:
    """Gives the answer to a streaming client."""
    assert flow.response
    flow.response.stream = streamed = StreamFunction(ResponseStream(ClientView(), None))
    streamed(body)
    if whole:
        streamed(b"")


@pytest.mark.parametrize("streaming", [True, False])
def test_an_answer(hooks: ResponseTranslation, streaming: bool) -> None:
    body = stream(answer())
    flow, call = answered(body)
    if streaming:
        pass_on(flow, body, whole=True)
    hooks.response(flow)
    assert (call.outcome, call.events, call.usage) == ("completed", len(answer()), USAGE)
    assert (call.first_token is not None) is streaming
    assert call.error is None


@pytest.mark.parametrize("streaming", [True, False])
def test_what_was_mended(hooks: ResponseTranslation, streaming: bool) -> None:
    body = stream([{"type": "codex.rate_limits"}, *answer()])
    flow, call = answered(body)
    if streaming:
        pass_on(flow, body, whole=True)
    hooks.response(flow)
    assert "codex.*" in call.repaired


def test_a_stream_that_was_cut_off(hooks: ResponseTranslation) -> None:
    body = stream(answer()[:4])
    flow, call = answered(body)
    pass_on(flow, body, whole=True)
    hooks.response(flow)
    assert call.outcome == "cut"


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0"])
def test_the_head_of_a_stream_is_in_the_clients_version(version: bytes) -> None:
    """A body in chunks is none in HTTP/1.0 (RFC 9112 section 6.1)."""
    flow, _ = answered(b"")
    assert flow.response
    flow.response.data.http_version = version
    head = responses.event_stream_response(flow)
    assert (head.http_version, head.headers["transfer-encoding"]) == ("HTTP/1.1", "chunked")
    assert flow.response.data.http_version == version


def test_an_http_error(hooks: ResponseTranslation) -> None:
    flow, call = answered(b'{"detail": "no"}', 500)
    hooks.response(flow)
    assert (call.outcome, call.events, call.usage) == ("error", 0, None)
    assert call.error is not None


def test_a_compact_answer_is_passed_on(hooks: ResponseTranslation) -> None:
    flow, call = compacted(gzip.compress(b' {"output": []}'), "gzip")
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
    ids=["nothing", "blanks", "a page", "events", "another encoding", "a bomb"],
)
def test_what_is_no_compact_answer(hooks: ResponseTranslation, body: bytes, encoding: str, code: str) -> None:
    flow, call = compacted(body, encoding)
    hooks.response(flow)
    assert flow.response
    assert flow.response.status_code == 502
    assert json.loads(flow.response.content or b"")["error"]["code"] == code
    assert call.outcome == "error"


def compacted(body: bytes, encoding: str) -> tuple[http.HTTPFlow, Call]:
    flow, call = answered(body)
    call.subpath = "/compact"
    assert flow.response
    flow.response.headers["content-encoding"] = encoding
    flow.response.raw_content = body
    return flow, call


def test_a_key_that_looks_like_none_is_not_told() -> None:
    """Not by an error in the place of an answer, nor by one at the end of a stream."""
    key = "key_of_words"
    call = Call("", authorization=f"Bearer {key}")
    call.set_error(ApiError(502, f"answered: {key}"))
    assert call.error
    assert call.error.message == "answered: …"
    live = StreamFunction(ResponseStream(ClientView(), None), key)
    live(stream(answer()[:4]))
    (said,) = live(block({"type": "error", "code": "x", "message": f"not {key}"}))
    assert b'"message":"not \xe2\x80\xa6"' in said


def test_what_the_model_writes_is_the_clients() -> None:
    """A file that a model writes may hold the key, and must be written as it is."""
    key = "sk-0123456789abcdef"
    text = stream(answer(f"KEY={key}"))
    live = StreamFunction(ResponseStream(ClientView(), None), key)
    assert b"".join([*live(text), *live(b"")]).count(key.encode()) == text.count(key.encode()) > 0


def test_a_client_that_has_left(hooks: ResponseTranslation) -> None:
    body = stream(answer()[:4])
    flow, call = answered(body)
    pass_on(flow, body, whole=False)
    hooks.error(flow)
    assert (call.outcome, call.events) == ("left", 4)
    assert call.first_token is not None


@pytest.mark.parametrize("streaming", [True, False])
def test_half_a_surrogate_pair_reaches_either_client(hooks: ResponseTranslation, streaming: bool) -> None:
    """A relay cut an emoji in two: legal JSON, which pydantic_core will not write."""
    body = stream(answer()).replace(b'"Hello"', b'"\\ud83d"').replace(b'"Hello', b'"\\ud83dHello')
    flow, call = answered(body)
    if streaming:
        pass_on(flow, body, whole=True)
        hooks.response(flow)
    else:
        hooks.response(flow)
        assert flow.response
        assert flow.response.status_code == 200
        assert b"\\ud83d" in (flow.response.content or b"")
    assert call.error is None
    assert call.outcome == "completed"
