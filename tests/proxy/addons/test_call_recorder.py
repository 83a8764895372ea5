"""What is recorded of a call, and when."""

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import flow as mitmproxy_flow
from mitmproxy import http
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.addons.save import Save
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.addons.view import View
from mitmproxy.test import taddons, tflow, tutils

from codex_transform.clients.client import OPENCODE
from codex_transform.errors import ApiError
from codex_transform.proxy.addons.call_recorder import RECORD, CallRecorder, recorded
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.instructions_refresh import InstructionsRefresh
from codex_transform.proxy.call import get_call, start_call
from codex_transform.request import Context, transform
from codex_transform.request.client_request import read_request
from codex_transform.usage import log_line
from codex_transform.usage.record import Record
from codex_transform.usage.store import UsageStore

USAGE = {"input_tokens": 2000, "input_tokens_details": {"cached_tokens": 1024}, "output_tokens": 20}


async def persisted(recorder: CallRecorder) -> None:
    """Waits until all queued calls have been recorded."""
    recorder.done()
    await asyncio.sleep(0)


class Harness:
    """The addon in mitmproxy, and calls that have ended."""

    def __init__(self, context: Any, config: Config, refresh: InstructionsRefresh, path: Path) -> None:
        self.context = context
        self.config = config
        self.refresh = refresh
        self.store = UsageStore(path)
        self.recorder = CallRecorder(config, refresh, self.store)

    def call(self, **members: Any) -> http.HTTPFlow:
        """A call that has its response; `members` replace those of `Call`, or of the request body."""
        flow = tflow.tflow(resp=True, req=tutils.treq(content=b"{}"))
        flow.request.timestamp_start = time.time()
        call = start_call(flow, "")
        call.outcome, call.usage, call.events = "completed", USAGE, 5
        body: dict[str, Any] = {"model": "gpt-5-codex", "input": "hi", "stream": True, "prompt_cache_key": "k"}
        for name, value in members.items():
            if hasattr(call, name):
                setattr(call, name, value)
            else:
                body[name] = value
        call.request = read_request(json.dumps(body).encode())
        call.transformed = transform(
            call.request.body,
            Context(OPENCODE, True, self.config.opencode.options_for, self.refresh.instructions.text),
        )
        return flow

    async def end(self, flow: http.HTTPFlow) -> Record:
        """Ends a call; returns the record on its flow."""
        await self.recorder.response(flow)
        await persisted(self.recorder)
        record = recorded(flow)
        assert record
        return record


@pytest.fixture
async def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Harness]]:
    """Makes a harness in a mitmproxy with these addons."""
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config({})
    harnesses: list[Harness] = []
    with taddons.context(Proxyserver(), Save(), SaveHar(), config) as context:

        def make(*addons: object, with_view: bool = True) -> Harness:
            context.master.addons.add(*addons)
            if with_view and context.master.addons.get("view") is None:
                context.master.addons.add(View())
            context.configure(config, codex_debug=False)
            harnesses.append(Harness(context, config, InstructionsRefresh(config), tmp_path / "usage.sqlite"))
            return harnesses[-1]

        yield make
        context.options.update(save_stream_file=None)
        for each in harnesses:
            each.recorder.done()


async def test_a_replayed_call_keeps_the_changes_of_the_first_time(harness: Callable[..., Harness]) -> None:
    running = harness()
    flow = running.call()
    first = await running.end(flow)
    assert first.changes
    again = running.call(temperature=1)
    again.metadata[RECORD], again.is_replay = flow.metadata[RECORD], "request"
    record = await running.end(again)
    assert record.changes
    assert record.changes[: len(first.changes)] == first.changes
    assert [change.path for change in record.changes[len(first.changes) :]] == ["temperature"]
    old = running.call()
    old.metadata[RECORD], old.is_replay = {**flow.metadata[RECORD], "changes": None}, "request"
    assert (await running.end(old)).changes is None


async def test_a_call_is_recorded(harness: Callable[..., Harness], caplog: pytest.LogCaptureFixture) -> None:
    running = harness()
    flow = running.call()
    with caplog.at_level(logging.INFO, "codex_transform.proxy.addons.call_recorder"):
        record = await running.end(flow)
    assert (record.asked, record.model, record.effort) == ("gpt-5-codex", "gpt-5.1-codex", "medium")
    assert (record.conversation, record.events) == ("k", 5)
    assert record.tokens
    assert record.tokens.cached == 1024
    assert record.instructions
    assert record.instructions.ref == "bundled"
    assert len(record.instructions.sha256) == 64
    assert record.cache
    assert record.cache.cause == "first"
    assert flow.comment == log_line.flow_comment(record)
    assert flow.marked == ""
    assert [message.getMessage() for message in caplog.records] == [log_line.log_line(record)]
    total = running.store.total()
    assert total
    assert (total.requests, total.tokens.input) == (1, 2000)


async def test_the_second_request_is_compared_with_the_first(harness: Callable[..., Harness]) -> None:
    running = harness()
    await running.end(running.call())
    low = {**USAGE, "input_tokens_details": {"cached_tokens": 0}}
    flow = running.call(reasoning={"effort": "high"}, usage=low)
    record = await running.end(flow)
    assert record.cache
    assert record.cache.cause == "effort"
    assert "by the client" in record.cache.says
    assert f"cache: {record.cache.says}" in flow.comment


async def test_the_end_of_a_response_does_not_wait_for_the_store(
    harness: Callable[..., Harness], tmp_path: Path
) -> None:
    """The store is slow here because another program has locked it."""
    running = harness()
    await running.end(running.call())
    locked = sqlite3.connect(tmp_path / "usage.sqlite", isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    flow = running.call()
    hook = running.recorder.response(flow)
    with pytest.raises(StopIteration):
        hook.send(None)
    record = recorded(flow)
    assert record
    assert record.cache is None
    locked.execute("COMMIT")
    locked.close()
    running.recorder.done()
    total = running.store.total()
    assert total
    assert total.requests == 2


async def test_a_saved_flow_has_the_whole_record(harness: Callable[..., Harness], tmp_path: Path) -> None:
    running = harness()
    running.context.options.update(save_stream_file=str(tmp_path / "flows"))
    flow = running.call()
    await running.recorder.response(flow)
    record = recorded(flow)
    assert record
    assert record.cache


async def test_a_view_is_notified_of_the_comment(harness: Callable[..., Harness]) -> None:
    class FlowObserver:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def update(self, flows: list[mitmproxy_flow.Flow]) -> None:
            self.seen += [flow.comment for flow in flows]

    observer = FlowObserver()
    running = harness(View(), observer)
    flow = running.call()
    flow.comment = ""
    running.recorder.request(flow)
    assert flow.comment == "gpt-5.1-codex medium · …"
    await running.end(flow)
    # In addition to mitmproxy's own notifications after each hook.
    assert observer.seen == [flow.comment]


async def test_failures_are_marked_logged_and_remembered(
    harness: Callable[..., Harness], caplog: pytest.LogCaptureFixture
) -> None:
    running = harness()
    flow = running.call(outcome="error", usage=None, error=ApiError(429, "Wait.\x1b[31m", code="usage_limit_reached"))
    flow.response = http.Response.make(429)
    record = await running.end(flow)
    assert (record.status, record.error, record.code) == (429, "Wait. [31m", "usage_limit_reached")
    assert flow.marked == log_line.LIMITED
    assert running.recorder.last_error == record
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    await running.end(running.call())
    assert running.recorder.last_error == record


async def test_keys_are_not_recorded(harness: Callable[..., Harness]) -> None:
    running = harness()
    key = "sk-of-the-endpoint-000000"
    flow = running.call(outcome="error", error=ApiError(401, f"No such key: {key}"), authorization=f"Bearer {key}")
    record = await running.end(flow)
    assert record.error == "No such key: sk-…0000"


async def test_a_call_whose_client_left_is_recorded(harness: Callable[..., Harness]) -> None:
    running = harness()
    flow = running.call(outcome="left", usage=None)
    flow.response = None
    await running.recorder.error(flow)
    await persisted(running.recorder)
    assert flow.marked == log_line.LEFT
    assert "client left" in flow.comment


async def test_the_users_own_comment_is_kept(harness: Callable[..., Harness]) -> None:
    running = harness()
    flow = running.call()
    await running.end(flow)
    comment = flow.comment
    replayed = running.call(outcome="incomplete")
    replayed.comment, replayed.metadata = comment, dict(flow.metadata)
    await running.end(replayed)
    assert replayed.comment.startswith("✂ ")
    assert replayed.marked == log_line.INCOMPLETE
    own = running.call(outcome="incomplete")
    own.comment, own.marked, own.metadata = "look at this", ":default:", dict(flow.metadata)
    await running.end(own)
    assert (own.comment, own.marked) == ("look at this", ":default:")


async def test_text_from_clients_can_be_saved(harness: Callable[..., Harness], tmp_path: Path) -> None:
    running = harness()
    running.context.options.update(save_stream_file=str(tmp_path / "flows"))
    flow = running.call(model="evil\ud800\x1b[2J\nmodel", prompt_cache_key="\udfff" * 1000)
    record = await running.end(flow)
    assert record.asked == "evil [2J model"
    running.context.master.addons.get("save").save([flow], str(tmp_path / "one"))


async def test_many_calls_at_once_are_all_recorded(harness: Callable[..., Harness]) -> None:
    running = harness()
    flows = [running.call() for _ in range(300)]
    for flow in flows:
        await running.recorder.response(flow)
    await running.end(running.call())
    assert all(RECORD in flow.metadata for flow in flows)
    total = running.store.total()
    assert total
    assert total.requests == 301


async def test_without_a_view_the_flow_is_not_annotated(
    harness: Callable[..., Harness], caplog: pytest.LogCaptureFixture
) -> None:
    """Plain mitmdump gets a line in the log and a row in the store; the flow is left alone."""
    running = harness(with_view=False)
    flow = running.call()
    running.recorder.request(flow)
    with caplog.at_level(logging.INFO, "codex_transform.proxy.addons.call_recorder"):
        await running.recorder.response(flow)
        assert caplog.messages == []
        await persisted(running.recorder)
    assert (flow.comment, flow.marked, flow.metadata) == ("", "", {})
    (line,) = caplog.messages
    assert line.startswith("gpt-5-codex → gpt-5.1-codex medium · 2.0k in (51% cached) · 20 out")
    total = running.store.total()
    assert total
    assert total.requests == 1


async def test_a_call_is_recorded_as_it_was_when_it_ended(harness: Callable[..., Harness]) -> None:
    """Later addons clear the call before it is recorded."""
    running = harness(with_view=False)
    flow = running.call()
    await running.recorder.response(flow)
    call = get_call(flow)
    assert call
    call.transformed = call.request = None
    await persisted(running.recorder)
    assert [usage.name for usage in running.store.by_model()] == ["gpt-5.1-codex"]


async def test_calls_are_recorded_without_further_hooks(
    harness: Callable[..., Harness], caplog: pytest.LogCaptureFixture
) -> None:
    running = harness(with_view=False)
    caplog.set_level(logging.INFO, "codex_transform.proxy.addons.call_recorder")
    for _ in range(3):
        await running.recorder.response(running.call())
    async with asyncio.timeout(30):
        while len(caplog.messages) < 3:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
    total = running.store.total()
    assert total
    assert total.requests == 3


async def test_what_the_proxy_answers_itself_is_no_call(
    harness: Callable[..., Harness], caplog: pytest.LogCaptureFixture
) -> None:
    running = harness()
    caplog.set_level(logging.INFO, "codex_transform.proxy.addons.call_recorder")
    flow = running.call(answered_here=True, usage=None)
    await running.end(flow)
    assert (flow.comment.startswith("gpt-5.1-codex"), flow.comment.endswith(" · answered by the proxy")) == (True, True)
    assert caplog.messages == []
    assert running.store.total() is None


async def test_a_line_of_the_log_has_the_time_of_the_calls_end(
    harness: Callable[..., Harness], caplog: pytest.LogCaptureFixture
) -> None:
    """Lines are written together, when the event loop is idle."""
    running = harness(with_view=False)
    caplog.set_level(logging.INFO, "codex_transform.proxy.addons.call_recorder")
    ends = [time.time()]
    for _ in range(3):
        await running.recorder.response(running.call())
        ends.append(time.time())
    await persisted(running.recorder)
    assert len(caplog.records) == 3
    for earliest, line, latest in zip(ends, caplog.records, ends[1:], strict=False):
        assert earliest - 0.001 <= line.created <= latest + 0.000_001
        assert line.msecs == pytest.approx(line.created % 1 * 1000)


async def test_mitmwebs_table_shows_comments_unless_configured(harness: Callable[..., Harness]) -> None:
    running = harness()
    running.recorder.running()
    assert "web_columns" not in running.context.options
    running.context.options.add_option("web_columns", Sequence[str], ["path", "time"], "")
    running.recorder.running()
    assert "comment" in running.context.options.web_columns
    other = tflow.tflow(req=tutils.treq(path=b"/v1/models"))
    running.recorder.request(other)
    assert other.comment == "GET http://address:22/v1/models"
    running.context.options.update(web_columns=["path", "size"])
    running.recorder.running()
    assert list(running.context.options.web_columns) == ["path", "size"]
