"""The commands, as mitmproxy's own command manager calls them."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.addons import proxyserver, view
from mitmproxy.test import taddons, tflow

from codex_transform.proxy.addons.call_recorder import CallRecorder
from codex_transform.proxy.addons.commands import SESSIONS, Commands
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.connect_timeout import ConnectTimeout
from codex_transform.proxy.addons.drain import Drain
from codex_transform.proxy.addons.instructions_refresh import InstructionsRefresh
from codex_transform.proxy.addons.people import People
from codex_transform.proxy.addons.status import Status
from codex_transform.proxy.bodies import RequestReader
from codex_transform.proxy.refusals import Refusals
from codex_transform.usage.record import CacheVerdict, FailedAttempt, Record, Tokens
from codex_transform.usage.store import UsageStore

KEY = "sk-of-the-endpoint-000000abcd"


class Harness:
    """The addons that the commands use, in mitmproxy's test context."""

    def __init__(self, tmp_path: Path, environ: dict[str, str], master: Any) -> None:
        self.view = view.View()
        self.config = Config(environ)
        self.refresh = InstructionsRefresh(self.config)
        self.store = UsageStore(tmp_path / "usage.sqlite")
        self.notes = CallRecorder(self.config, self.refresh, self.store)
        refusals = Refusals()
        drain = Drain(self.config, ConnectTimeout(self.config), refusals)
        status = Status(
            self.config, drain, People(self.config, RequestReader(), self.store, refusals), self.notes, refusals
        )
        self.commands = Commands(self.config, self.refresh, self.notes, self.store, status)
        self.master = master
        master.addons.add(proxyserver.Proxyserver(), self.view, self.config, self.refresh, self.commands)

        self.config.configure({"codex_mode"})  # as mitmproxy does at its start

    def run(self, command: str) -> Any:
        return self.master.commands.execute(command)


@pytest.fixture
async def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harness]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with taddons.context() as context:
        yield Harness(tmp_path, {"CODEX_BASE_URL": "https://codex.example", "CODEX_API_KEY": KEY}, context.master)


def call(**members: Any) -> Record:
    return Record(**{"at": time.time(), "model": "gpt-5.1", **members})


REFUSED = FailedAttempt(rule="parameter", refused="HTTP 400: No.", done="sent again without include", edited=True)


def table(rows: list[list[str]]) -> list[dict[str, str]]:
    head, *rest = rows
    return [dict(zip(head, cells, strict=True)) for cells in rest]


def test_each_command_has_a_name_and_a_help_text(harness: Harness) -> None:
    names = {name for name in harness.master.commands.commands if name.startswith("codex.")}
    assert names == {
        "codex.usage", "codex.usage.days", "codex.usage.misses", "codex.status", "codex.refresh", "codex.original",
        "codex.replay.original",
    }  # fmt: skip
    assert all(harness.master.commands.commands[name].help for name in names)


def test_usage_by_model_and_by_conversation(harness: Harness) -> None:
    tokens = Tokens(input=12_000, cached=9000, output=480, reasoning=320)
    harness.store.add(call(conversation="ses_1", tokens=tokens, first_token=0.84, attempts=[REFUSED]))
    harness.store.add(call(model="gpt-5.2", conversation="ses_2", outcome="failed"))
    model, other, latest, session, everything = table(harness.run("codex.usage"))
    assert model == {
        "": "model gpt-5.1", "calls": "1", "fail": "0", "heal": "1", "in": "12.0k", "cache": "75%", "miss": "0",
        "out": "480", "p50": "0.8 s", "p95": "0.8 s",
    }  # fmt: skip
    assert (other[""], other["fail"], other["p50"]) == ("model gpt-5.2", "1", "")
    assert (latest[""], session[""]) == ("conversation ses_2", "conversation ses_1")
    assert (everything[""], everything["calls"], everything["fail"]) == ("all", "2", "1")


def test_usage_of_a_number_of_days(harness: Harness) -> None:
    for age in (0, 10, 40):
        harness.store.add(call(at=time.time() - age * 86_400))
    assert [harness.run(command)[-1][1] for command in ("codex.usage", "codex.usage 1", "codex.usage 100")] == [
        "2", "1", "3",
    ]  # fmt: skip
    assert len(table(harness.run("codex.usage.days 20"))) == 2
    with pytest.raises(exceptions.CommandError):
        harness.run("codex.usage soon")


def test_only_the_latest_conversations_are_listed(harness: Harness) -> None:
    for number in range(SESSIONS + 5):
        harness.store.add(call(at=time.time() + number, conversation=f"ses_{number}"))
    rows = [row[""] for row in table(harness.run("codex.usage")) if row[""].startswith("conversation")]
    assert len(rows) == SESSIONS
    assert rows[0] == f"conversation ses_{SESSIONS + 4}"


def test_misses_by_cause(harness: Harness) -> None:
    for cause, missed in (("tools", 3000), ("idle", 1000), ("append", 0)):
        harness.store.add(call(cache=CacheVerdict(cause=cause, says="", missed=missed)))
    assert harness.run("codex.usage.misses") == [
        ["cause", "calls", "missed", "share"],
        ["tools", "1", "3.0k", "75%"],
        ["idle", "1", "1.0k", "25%"],
    ]


def test_tables_are_logged_for_mitmweb(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    harness.store.add(call(model="gpt-5.1\x1b[31m\n"))
    assert harness.run("codex.usage")[1][0] == "model gpt-5.1�[31m�"
    lines = caplog.messages[-1].splitlines()
    assert lines[1].split()[:3] == ["calls", "fail", "heal"]
    assert lines[2].startswith("model gpt-5.1�[31m�      1     0")
    assert "\x1b" not in caplog.text


def test_status_names_the_source_of_each_setting(harness: Harness) -> None:
    status = dict(harness.run("codex.status"))
    assert status["endpoint"] == "up · https://codex.example/backend-api/codex/responses"
    assert status["codex_base_url"] == "https://codex.example (CODEX_BASE_URL)"
    assert status["codex_api_key"] == "sk-…abcd (CODEX_API_KEY)"
    assert status["codex_mode"] == "on (default)"
    assert status["codex_instructions_file"] == "not set (default)"
    assert status["instructions"].startswith("bundled (")
    assert status["catalogue"].endswith("openai/codex: never fetched")
    assert status["last error"] == "none"
    assert KEY not in str(status)


def test_status_follows_the_settings(harness: Harness) -> None:
    harness.master.options.update(codex_mode=False)
    assert dict(harness.run("codex.status"))["codex_mode"] == "off (codex_mode)"


def test_status_shows_the_last_error(harness: Harness) -> None:
    harness.notes.last_error = call(at=time.time() - 180, outcome="error", status=429, error="wait")
    assert dict(harness.run("codex.status"))["last error"] == "3 minutes ago, gpt-5.1: 429 wait"


async def test_status_without_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with taddons.context() as context:
        status = dict(Harness(tmp_path, {}, context.master).run("codex.status"))
    assert "endpoint" not in status
    assert "codex_base_url" in status["problems"]
    assert status["codex_api_key"] == "not set (default)"


def test_the_original_of_a_flow(harness: Harness) -> None:
    flow = tflow.tflow(resp=True)
    flow.metadata["codex_original"] = {
        "method": "POST",
        "url": "https://api.openai.com/v1/responses",
        "headers": [["content-type", "application/json"]],
        "content": b'{\n "model": "gpt-5"}\xff',
    }
    harness.view.add([flow])
    assert harness.run("codex.original @focus") == [
        "POST https://api.openai.com/v1/responses",
        "content-type: application/json",
        "",
        "{",
        ' "model": "gpt-5"}�',
    ]


@pytest.mark.parametrize("metadata", [{}, {"codex_original": {"method": "POST"}}, {"codex_original": 5}])
@pytest.mark.parametrize("command", ["codex.original", "codex.replay.original"])
def test_an_original_that_was_not_retained(harness: Harness, command: str, metadata: dict[str, Any]) -> None:
    flow = tflow.tflow(resp=True)
    flow.metadata.update(metadata)
    harness.view.add([flow])
    with pytest.raises(exceptions.CommandError, match="codex_keep_mb"):
        harness.run(f"{command} @focus")


def test_a_flow_of_another_kind_has_no_original(harness: Harness) -> None:
    harness.view.add([tflow.ttcpflow()])
    with pytest.raises(exceptions.CommandError, match="not an HTTP request"):
        harness.run("codex.original @focus")
