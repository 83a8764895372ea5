"""What is written down of a call, and when."""

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


async def settled(notes: CallRecorder) -> None:
    """All that was put aside has been written down."""
    notes.done()
    await asyncio.sleep(0)


class Bench:
    """The addon in mitmproxy, and calls that have come to their end."""

    def __init__(self, context: Any, config: Config, refresh: InstructionsRefresh, path: Path) -> None:
        self.context = context
        self.config = config
        self.refresh = refresh
        self.store = UsageStore(path)
        self.notes = CallRecorder(config, refresh, self.store)

    def call(self, **members: Any) -> http.HTTPFlow:
        """A call that has its answer; `members` replace those of its body, or of `Call`."""
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
        """Its end; gives what the flow then says."""
        await self.notes.response(flow)
        await settled(self.notes)
        record = recorded(flow)
        assert record
        return record


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Bench]]:
    """Makes a bench, in a mitmproxy with these addons."""
    monkeypatch.setenv("HOME", str(tmp_path))
    config = Config({})
    made: list[Bench] = []
    with taddons.context(Proxyserver(), Save(), SaveHar(), config) as context:

        def make(*addons: object, watched: bool = True) -> Bench:
            context.master.addons.add(*addons)
            if watched and context.master.addons.get("view") is None:
                context.master.addons.add(View())
            context.configure(config, codex_debug=False)
            made.append(Bench(context, config, InstructionsRefresh(config), tmp_path / "usage.sqlite"))
            return made[-1]

        yield make
        context.options.update(save_stream_file=None)
        for each in made:
            each.notes.done()


async def test_a_replayed_call_keeps_what_was_changed_the_first_time(bench: Callable[..., Bench]) -> None:
    running = bench()
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


async def test_a_call_is_written_down(bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture) -> None:
    running = bench()
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


async def test_the_second_request_is_compared_with_the_first(bench: Callable[..., Bench]) -> None:
    running = bench()
    await running.end(running.call())
    low = {**USAGE, "input_tokens_details": {"cached_tokens": 0}}
    flow = running.call(reasoning={"effort": "high"}, usage=low)
    record = await running.end(flow)
    assert record.cache
    assert record.cache.cause == "effort"
    assert "by the client" in record.cache.says
    assert f"cache: {record.cache.says}" in flow.comment


async def test_the_answers_end_does_not_wait(bench: Callable[..., Bench], tmp_path: Path) -> None:
    """For a disk that is slow: here another program has locked the store."""
    running = bench()
    await running.end(running.call())
    locked = sqlite3.connect(tmp_path / "usage.sqlite", isolation_level=None)
    locked.execute("BEGIN EXCLUSIVE")
    flow = running.call()
    hook = running.notes.response(flow)
    with pytest.raises(StopIteration):
        hook.send(None)
    record = recorded(flow)
    assert record
    assert record.cache is None
    locked.execute("COMMIT")
    locked.close()
    running.notes.done()
    total = running.store.total()
    assert total
    assert total.requests == 2


async def test_a_flow_that_is_saved_has_it_all(bench: Callable[..., Bench], tmp_path: Path) -> None:
    running = bench()
    running.context.options.update(save_stream_file=str(tmp_path / "flows"))
    flow = running.call()
    await running.notes.response(flow)
    record = recorded(flow)
    assert record
    assert record.cache


async def test_a_view_is_told(bench: Callable[..., Bench]) -> None:
    class Watching:
        def __init__(self) -> None:
            self.seen: list[str] = []

        def update(self, flows: list[mitmproxy_flow.Flow]) -> None:
            self.seen += [flow.comment for flow in flows]

    watching = Watching()
    running = bench(View(), watching)
    flow = running.call()
    flow.comment = ""
    running.notes.request(flow)
    assert flow.comment == "gpt-5.1-codex medium · …"
    await running.end(flow)
    # Once more than by mitmproxy itself, which tells of every hook.
    assert watching.seen == [flow.comment]


async def test_failures_are_marked_warned_of_and_remembered(
    bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    running = bench()
    flow = running.call(outcome="error", usage=None, error=ApiError(429, "Wait.\x1b[31m", code="usage_limit_reached"))
    flow.response = http.Response.make(429)
    record = await running.end(flow)
    assert (record.status, record.error, record.code) == (429, "Wait. [31m", "usage_limit_reached")
    assert flow.marked == log_line.LIMITED
    assert running.notes.last_error == record
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    await running.end(running.call())
    assert running.notes.last_error == record


async def test_no_key_is_written_down(bench: Callable[..., Bench]) -> None:
    running = bench()
    key = "sk-of-the-endpoint-000000"
    flow = running.call(outcome="error", error=ApiError(401, f"No such key: {key}"), authorization=f"Bearer {key}")
    record = await running.end(flow)
    assert record.error == "No such key: sk-…0000"


async def test_a_client_that_left(bench: Callable[..., Bench]) -> None:
    running = bench()
    flow = running.call(outcome="left", usage=None)
    flow.response = None
    await running.notes.error(flow)
    await settled(running.notes)
    assert flow.marked == log_line.LEFT
    assert "client left" in flow.comment


async def test_what_the_user_wrote_stays(bench: Callable[..., Bench]) -> None:
    running = bench()
    flow = running.call()
    await running.end(flow)
    ours = flow.comment
    replayed = running.call(outcome="incomplete")
    replayed.comment, replayed.metadata = ours, dict(flow.metadata)
    await running.end(replayed)
    assert replayed.comment.startswith("✂ ")
    assert replayed.marked == log_line.INCOMPLETE
    own = running.call(outcome="incomplete")
    own.comment, own.marked, own.metadata = "look at this", ":default:", dict(flow.metadata)
    await running.end(own)
    assert (own.comment, own.marked) == ("look at this", ":default:")


async def test_a_clients_words_are_fit_for_files(bench: Callable[..., Bench], tmp_path: Path) -> None:
    running = bench()
    running.context.options.update(save_stream_file=str(tmp_path / "flows"))
    flow = running.call(model="evil\ud800\x1b[2J\nmodel", prompt_cache_key="\udfff" * 1000)
    record = await running.end(flow)
    assert record.asked == "evil [2J model"
    running.context.master.addons.get("save").save([flow], str(tmp_path / "one"))


async def test_many_calls_at_once(bench: Callable[..., Bench]) -> None:
    running = bench()
    flows = [running.call() for _ in range(300)]
    for flow in flows:
        await running.notes.response(flow)
    await running.end(running.call())
    assert all(RECORD in flow.metadata for flow in flows)
    total = running.store.total()
    assert total
    assert total.requests == 301


async def test_where_nobody_looks_there_is_nothing_to_see(
    bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    """Plain mitmdump: a line in the log, a row in the store, and the flow is left alone."""
    running = bench(watched=False)
    flow = running.call()
    running.notes.request(flow)
    with caplog.at_level(logging.INFO, "codex_transform.proxy.addons.call_recorder"):
        await running.notes.response(flow)
        assert caplog.messages == []
        await settled(running.notes)
    assert (flow.comment, flow.marked, flow.metadata) == ("", "", {})
    (line,) = caplog.messages
    assert line.startswith("gpt-5-codex → gpt-5.1-codex medium · 2.0k in (51% cached) · 20 out")
    total = running.store.total()
    assert total
    assert total.requests == 1


async def test_what_a_call_was_is_remembered_as_it_was_at_its_end(bench: Callable[..., Bench]) -> None:
    """Others clear the call behind it."""
    running = bench(watched=False)
    flow = running.call()
    await running.notes.response(flow)
    call = get_call(flow)
    assert call
    call.transformed = call.request = None
    await settled(running.notes)
    assert [usage.name for usage in running.store.by_model()] == ["gpt-5.1-codex"]


async def test_it_needs_nobody_to_ask_for_it(bench: Callable[..., Bench], caplog: pytest.LogCaptureFixture) -> None:
    running = bench(watched=False)
    caplog.set_level(logging.INFO, "codex_transform.proxy.addons.call_recorder")
    for _ in range(3):
        await running.notes.response(running.call())
    async with asyncio.timeout(30):
        while len(caplog.messages) < 3:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.01)
    total = running.store.total()
    assert total
    assert total.requests == 3


async def test_the_table_of_mitmweb(bench: Callable[..., Bench]) -> None:
    running = bench()
    running.notes.running()
    assert "web_columns" not in running.context.options
    running.context.options.add_option("web_columns", Sequence[str], ["path", "time"], "")
    running.notes.running()
    assert "comment" in running.context.options.web_columns
    other = tflow.tflow(req=tutils.treq(path=b"/v1/models"))
    running.notes.request(other)
    assert other.comment == "GET http://address:22/v1/models"
    running.context.options.update(web_columns=["path", "size"])
    running.notes.running()
    assert list(running.context.options.web_columns) == ["path", "size"]
