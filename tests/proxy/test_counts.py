"""The work that one call costs, counted rather than timed: parsing a body twice is a defect, however fast."""

import json
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from mitmproxy import connection
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons, tflow, tutils

from codex_transform.proxy import credentials
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.instructions_refresh import InstructionsRefresh
from codex_transform.proxy.addons.interception import Interception
from codex_transform.proxy.addons.request_log import RequestLog
from codex_transform.proxy.addons.request_translation import RequestTranslation
from codex_transform.proxy.addons.shared_state import SharedState
from codex_transform.proxy.addons.stored_responses import StoredResponses
from codex_transform.proxy.bodies import RequestReader
from codex_transform.proxy.call import start_call
from codex_transform.proxy.refusals import Refusals
from codex_transform.response.client_view import ClientView
from codex_transform.response.stream import ResponseStream

TOOL = {"type": "function", "name": "bash", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
async def send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[dict[str, Any]], bytes]]:
    """Passes a body through the addons of a request; returns what would be sent. (mitmproxy needs an event loop.)"""
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {"CODEX_BASE_URL": "https://endpoint.example", "CODEX_API_KEY": "sk-of-the-endpoint-000000"}
    config = Config(environ)
    log = RequestLog(config)
    gate, transform = (
        Interception(config, Refusals()),
        RequestTranslation(
            config, InstructionsRefresh(config), RequestReader(), StoredResponses(SharedState(config)), log
        ),
    )
    with taddons.context(Proxyserver(), config) as context:
        context.configure(config, codex_mode=True)

        def send(body: dict[str, Any]) -> bytes:
            request = tutils.treq(
                method=b"POST", host="api.openai.com", path=b"/v1/responses", content=json.dumps(body).encode()
            )
            flow = tflow.tflow(req=request)
            gate.requestheaders(flow)
            run_without_waiting(transform.request(flow))
            assert flow.response is None
            assert flow.request.host == "endpoint.example"
            return flow.request.raw_content or b""

        yield send
    log.done()


def run_without_waiting(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine that never waits."""
    with pytest.raises(StopIteration):
        work.send(None)


def history(calls: int) -> dict[str, Any]:
    """A conversation in which the model has made this number of tool calls."""
    items: list[dict[str, Any]] = [{"role": "user", "content": "Go on."}]
    for number in range(calls):
        items.append({"type": "function_call", "call_id": f"c{number}", "name": "bash", "arguments": "{}"})
        items.append({"type": "function_call_output", "call_id": f"c{number}", "output": "done " * 100})
    return {"model": "gpt-5.1-codex", "input": items, "tools": [TOOL], "stream": True, "prompt_cache_key": "k"}


def count_calls(work: Callable[[], object]) -> Counter[str]:
    """How often `work` calls the functions of each name, including those written in C and Rust."""
    counts: Counter[str] = Counter()

    def count(frame: FrameType, event: str, argument: Any) -> None:
        if event == "c_call":
            counts[argument.__name__] += 1
        elif event == "call":
            counts[frame.f_code.co_name] += 1

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counts


async def test_unchanged_items_are_neither_parsed_nor_encoded(
    send: Callable[[dict[str, Any]], bytes],
) -> None:
    send(history(1))
    short, long = count_calls(lambda: send(history(100))), count_calls(lambda: send(history(300)))
    for name in ("from_json", "to_json", "loads"):
        assert long[name] <= short[name] < 10


async def test_a_turn_costs_as_much_as_its_new_items(send: Callable[[dict[str, Any]], bytes]) -> None:
    def work(calls: int) -> int:
        send(history(calls))
        counts = count_calls(lambda: send(history(calls + 1)))
        # The test itself encodes the body; all that is done for each old item is to copy it into a list.
        return sum(number for name, number in counts.items() if name not in ("iterencode", "append"))

    send(history(1))
    assert work(1000) < 1.1 * work(200)


async def test_a_request_writes_no_line_to_the_log(
    send: Callable[[dict[str, Any]], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """mitmproxy passes each line to every addon, which takes longer than to translate a request."""
    caplog.set_level(logging.INFO)
    send(history(1))
    caplog.clear()
    send(history(2))
    assert caplog.records == []


async def test_the_clients_body_is_kept_without_a_copy() -> None:
    flow = tflow.tflow(req=tutils.treq(content=b'{"model": "m", "input": []}'))
    config = Config({"CODEX_BASE_URL": "https://endpoint.example", "CODEX_API_KEY": "sk-of-the-endpoint-000000"})
    log = RequestLog(config)
    with taddons.context(Proxyserver(), config) as context:
        context.configure(config, codex_mode=True)
        call, content = start_call(flow, ""), flow.request.raw_content
        stored = StoredResponses(SharedState(config))
        transform = RequestTranslation(config, InstructionsRefresh(config), RequestReader(), stored, log)
        run_without_waiting(transform.request(flow))
        assert flow.response is None
        assert call.original is content
        assert flow.request.raw_content != content
    log.done()


def test_the_copy_with_the_key_shares_the_body() -> None:
    request = tutils.treq(content=b"x" * 1000, headers=((b"authorization", b"Bearer \xe2\x80\xa6"),))
    sent = credentials.with_credentials(request, None, connection.Server(address=("endpoint.example", 443)))
    assert sent is not request
    assert sent.raw_content is request.raw_content


async def test_the_work_grows_no_faster_than_the_history(send: Callable[[dict[str, Any]], bytes]) -> None:
    send(history(1))

    def work(calls: int) -> int:
        counts = count_calls(lambda: send(history(calls)))
        # The test itself encodes the body.
        return sum(number for name, number in counts.items() if name not in ("iterencode", "append"))

    small, large = work(100), work(800)
    assert large < 9 * small


def delta(number: int) -> bytes:
    data = {
        "type": "response.output_text.delta",
        "sequence_number": number,
        "item_id": "msg_1",
        "output_index": 0,
        "content_index": 0,
        "delta": f"word {number} ",
    }
    return encode(data)


def encode(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def stream_before_deltas() -> ResponseStream:
    """A stream just before its first delta."""
    stream = ResponseStream(ClientView("gpt-5.1-codex"), None)
    ids = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    item = {"type": "message", "id": "msg_1", "status": "in_progress", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": "resp_1"}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **ids, "part": part},
    ]
    for number, event in enumerate(events):
        stream.feed(encode({**event, "sequence_number": number}))
    return stream


def test_deltas_pass_unparsed_once_their_template_is_known() -> None:
    stream = stream_before_deltas()
    deltas = [delta(number) for number in range(3, 2003)]
    out: list[bytes] = []
    counts = count_calls(lambda: out.extend(stream.feed(piece) for piece in deltas))
    assert out == deltas
    assert stream.events == 2003
    # The three before the deltas, and the two that the template is built from.
    assert stream.parsed == 5
    assert counts["from_json"] <= 2


def test_a_chunk_of_deltas_is_sent_in_one_piece() -> None:
    stream = stream_before_deltas()
    stream.feed(delta(3))
    chunk = b"".join(delta(number) for number in range(4, 103))
    out: list[bytes] = []
    counts = count_calls(lambda: out.append(stream.feed(chunk)))
    assert out == [chunk]
    assert sum(counts.values()) < 15 * 99
