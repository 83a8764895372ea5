"""What a flow keeps once it has ended, within the limit for all flows together."""

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.save import Save
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.addons.view import View
from mitmproxy.test import taddons, tflow, tutils

from codex_transform.proxy.addons.body_retention import ORIGINAL_REQUEST, BodyRetention
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.call import get_call, start_call
from codex_transform.proxy.flow_annotations import set_comment
from codex_transform.proxy.stream_function import StreamFunction
from codex_transform.response.client_view import ClientView
from codex_transform.response.stream import ResponseStream

EVENTS = [
    b'event: response.created\ndata: {"type":"response.created","response":{"id":"r"}}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r","output":[]}}\n\n',
]

Context = Any


class Harness:
    """The addon in mitmproxy, and calls that go through it."""

    def __init__(self, context: Context, config: Config) -> None:
        self.context = context
        self.retention = BodyRetention(config)

    def set(self, **options: Any) -> None:
        self.context.configure(self.context.master.addons.get("config"), **options)

    def begin(self, body: bytes, flow: http.HTTPFlow | None = None, **headers: str) -> http.HTTPFlow:
        """A call whose endpoint has begun to respond; `body` has been changed, as RequestTranslation would."""
        fields = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
        request = tutils.treq(
            method=b"POST", host="api.openai.com", path=b"/v1/responses", content=body, headers=http.Headers(fields)
        )
        flow = flow or tflow.tflow(req=request)
        call = start_call(flow, "")
        self.retention.requestheaders(flow)
        call.original = flow.request.raw_content
        flow.request.headers["x-changed"] = "1"
        flow.request.content = b"sent: " + body
        self.retention.request(flow)
        flow.response = tutils.tresp(content=None, headers=http.Headers())
        flow.response.stream = StreamFunction(ResponseStream(ClientView(), None))
        self.retention.responseheaders(flow)
        return flow

    def end(self, flow: http.HTTPFlow, *pieces: bytes) -> bytes:
        """Receives the response; returns what the client gets of it."""
        assert flow.response
        stream: Any = flow.response.stream
        sent = b"".join(out for piece in (*pieces, b"") for out in stream(piece))
        self.retention.response(flow)
        flow.live = False
        return sent

    def call(self, body: bytes, *pieces: bytes) -> http.HTTPFlow:
        flow = self.begin(body)
        self.end(flow, *(pieces or EVENTS))
        return flow


@pytest.fixture
async def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Harness]]:
    """Makes a harness in a mitmproxy with these addons."""
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config({})
    with taddons.context(Proxyserver(), Save(), SaveHar(), config) as context:

        def make(*addons: object) -> Harness:
            context.master.addons.add(*addons)
            context.configure(config, codex_debug=False)
            return Harness(context, config)

        yield make
        context.options.update(save_stream_file=None, hardump="")


def retained_bytes(flows: list[http.HTTPFlow]) -> int:
    """The size of all bodies."""
    bodies: list[bytes | None] = []
    for flow in flows:
        bodies += [flow.request.raw_content, flow.metadata.get(ORIGINAL_REQUEST, {}).get("content")]
        bodies.append(flow.response.raw_content if flow.response else None)
    return sum(len(body) for body in bodies if body)


async def test_plain_mitmdump_keeps_nothing(harness: Callable[..., Harness]) -> None:
    flow = harness().call(b"{}")
    assert flow.response
    assert flow.response.raw_content is None
    assert flow.metadata == {}


async def test_a_view_gets_the_response_as_it_was_sent(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    flow = running.begin(b"{}")
    sent = running.end(flow, *EVENTS)
    assert flow.response
    assert flow.response.raw_content == sent
    assert b"response.completed" in sent
    assert "content-length" not in flow.response.headers
    assert not flow.response.stream


@pytest.mark.parametrize("option", ["save_stream_file", "hardump"])
async def test_files_get_the_bodies_too(harness: Callable[..., Harness], tmp_path: Path, option: str) -> None:
    running = harness()
    running.context.options.update(**{option: str(tmp_path / "flows")})
    flow = running.call(b"{}")
    assert flow.response
    assert flow.response.raw_content
    assert ORIGINAL_REQUEST in flow.metadata
    running.context.options.update(**{option: None if option == "save_stream_file" else ""})
    assert ORIGINAL_REQUEST not in running.call(b"{}").metadata


async def test_the_original_request_is_what_the_client_sent(harness: Callable[..., Harness]) -> None:
    flow = harness(View()).begin(b'{"model":"m"}', x_client="1", content_encoding="identity")
    assert flow.metadata[ORIGINAL_REQUEST] == {
        "method": "POST",
        "url": "http://api.openai.com:22/v1/responses",
        # Without content-encoding: the body has been decoded.
        "headers": [["x-client", "1"]],
        "content": b'{"model":"m"}',
    }
    assert flow.request.raw_content == b'sent: {"model":"m"}'


async def test_an_original_whose_headers_are_no_text_can_be_saved(
    harness: Callable[..., Harness], tmp_path: Path
) -> None:
    running = harness(View())
    flow = tflow.tflow(req=tutils.treq(headers=http.Headers([(b"x-bytes", b"\xff\xfe")])))
    running.begin(b"{}", flow)
    running.end(flow, *EVENTS)
    running.context.master.addons.get("save").save([flow], str(tmp_path / "flows"))
    assert (tmp_path / "flows").stat().st_size


async def test_a_replayed_flow_keeps_its_original_request(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    flow = running.call(b"first")
    before = json.dumps(flow.metadata[ORIGINAL_REQUEST]["headers"])
    flow.is_replay = "request"
    flow.live = True
    running.end(running.begin(b"again", flow), *EVENTS)
    assert flow.metadata[ORIGINAL_REQUEST]["content"] == b"first"
    assert json.dumps(flow.metadata[ORIGINAL_REQUEST]["headers"]) == before


async def test_what_a_client_got_before_it_left_is_retained(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    flow = running.begin(b"{}")
    assert flow.response
    stream: Any = flow.response.stream
    (sent,) = stream(EVENTS[0])
    running.retention.error(flow)
    assert flow.response.raw_content == sent


async def test_a_key_that_the_response_quotes_is_redacted(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    flow = running.begin(b"{}")
    call = get_call(flow)
    assert call
    call.authorization = "Bearer sk-of-the-endpoint-000000"
    running.end(flow, EVENTS[0], b'data: {"type":"error","message":"no sk-of-the-endpoint-000000"}\n\n')
    assert flow.response
    assert b"sk-\xe2\x80\xa6" in (flow.response.raw_content or b"")
    assert b"sk-of-the-endpoint-000000" not in (flow.response.raw_content or b"")
    assert call.authorization is None


async def test_an_ended_call_holds_no_bodies(harness: Callable[..., Harness]) -> None:
    call = get_call(harness(View()).call(b"{}"))
    assert call
    assert (call.original, call.transformed, call.key) == (None, None, "")


@pytest.mark.gate
async def test_ten_thousand_flows_stay_within_the_limit(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    running.set(codex_keep_mb=5)
    body, flows = b"x" * 4000, []
    times = []
    for _ in range(2):
        began = time.process_time()
        for _ in range(5000):
            # No two flows share a body.
            flows.append(running.call(bytes(bytearray(body))))
            await asyncio.sleep(0)
            assert retained_bytes(flows[-1:]) > 8000
        times.append(time.process_time() - began)
    assert len(flows) == 10_000
    assert 4_900_000 < retained_bytes(flows) <= 5_000_000
    retained = [flow for flow in flows if flow.request.raw_content is not None]
    assert retained == flows[-len(retained) :]
    for flow in flows[: -len(retained)]:
        assert flow.response
        assert flow.response.raw_content is None
        assert ORIGINAL_REQUEST not in flow.metadata
    assert times[1] < 3 * times[0]


async def test_flows_in_progress_keep_their_bodies(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    running.set(codex_keep_mb=1)
    large = b"x" * 900_000
    waiting, ended = running.begin(large), running.begin(large)
    running.end(ended, *EVENTS)
    ended.live = True  # mitmproxy has not forwarded it yet
    for _ in range(5):
        running.call(large)
        await asyncio.sleep(0)
    assert waiting.metadata[ORIGINAL_REQUEST]["content"] == large
    assert waiting.request.raw_content
    assert ended.request.raw_content
    again = running.call(b"small")
    again.live, again.is_replay = True, "request"
    running.begin(b"small", again)
    ended.live = False
    running.call(large)
    await asyncio.sleep(0)
    assert ended.request.raw_content is None
    assert again.request.raw_content


async def test_with_a_limit_of_zero_nothing_is_retained(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    running.set(codex_keep_mb=0)
    flow = running.call(b"{}")
    await asyncio.sleep(0)
    assert flow.request.raw_content is None
    assert ORIGINAL_REQUEST not in flow.metadata
    assert "codex_keep_mb" in flow.comment


async def test_a_later_comment_still_says_that_bodies_were_dropped(harness: Callable[..., Harness]) -> None:
    """The comment with the cache's verdict is set later, once a thread has found it."""
    running = harness(View())
    running.set(codex_keep_mb=1)
    flow = running.call(b"a" * 2_000_000)
    await asyncio.sleep(0)
    assert flow.request.raw_content is None
    set_comment(flow, "the verdict")
    assert flow.comment == "the verdict · bodies dropped (codex_keep_mb)"


async def test_the_comment_says_that_a_response_was_too_large(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    running.set(codex_keep_mb=1)
    delta = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"%b"}\n\n'
    flow = running.call(b"{}", EVENTS[0], delta % (b"x" * 1_100_000), EVENTS[1])
    assert flow.response
    assert flow.response.raw_content is None
    assert flow.comment.endswith("bodies dropped (codex_keep_mb)")


async def test_the_users_own_comment_is_kept(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    running.set(codex_keep_mb=0)
    flow = running.begin(b"{}")
    flow.comment = "look at this"
    running.end(flow, *EVENTS)
    await asyncio.sleep(0)
    assert flow.request.raw_content is None
    assert flow.comment == "look at this"


@pytest.mark.gate
async def test_deleted_flows_no_longer_count(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    running.set(codex_keep_mb=1)
    first = running.call(b"x" * 400_000)
    for _ in range(10):
        # Nothing refers to this flow, so it is deleted.
        running.call(b"x" * 400_000)
        gc.collect()
        await asyncio.sleep(0)
    assert first.request.raw_content


async def test_flows_of_other_requests_are_left_alone(harness: Callable[..., Harness]) -> None:
    running = harness(View())
    flow = tflow.tflow(resp=True)
    for hook in ("requestheaders", "request", "responseheaders", "response", "error"):
        getattr(running.retention, hook)(flow)
    assert flow.metadata == {}
    assert flow.request.raw_content == b"content"
