"""Commands in a real mitmweb, called as its page calls them, and what survives a restart."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.mitmweb import Api, mitmweb
from support.raw_host import NEW_PATH, Answer, catalogue, raw_host
from support.running import OPENCODE_AGENT, Proxy

from codex_transform.catalog import models
from codex_transform.redaction import redact
from codex_transform.sandbox import Sandbox

pytestmark = [pytest.mark.gate, pytest.mark.mitmproxy]

CLIENTS_KEY = "sk-the-clients-own-0000"
TOOL = {"type": "function", "name": "bash", "parameters": {"type": "object", "properties": {}}}


class Web(Api):
    """A running mitmweb and its API."""

    def __init__(self, proxy: Proxy, address: str) -> None:
        super().__init__(address)
        self.proxy = proxy
        self._calls = 0

    def ask(self, *items: object, **members: Any) -> None:
        """Send one call, and return once it has been recorded."""
        body = {"model": "gpt-5-codex", "stream": True, "input": list(items), "prompt_cache_key": "ses_1", **members}
        status, _, _ = self.proxy.send(body, authorization=f"Bearer {CLIENTS_KEY}", user_agent=OPENCODE_AGENT)
        assert status == 200
        self._calls += 1
        self.wait_for_calls(self._calls)

    def wait_for_calls(self, number: int) -> None:
        """Wait until the log has a line for each stored call."""
        self.proxy.wait_for(r"(?s)" + r"gpt-5\.1-codex medium · .*? out · .*?" * number)


@contextmanager
def running(home: Path, sandbox: Sandbox, **environ: str) -> Iterator[Web]:
    with mitmweb(home, sandbox, **environ) as (proxy, address):
        yield Web(proxy, address)


def cells(rows: list[list[str]], name: str) -> dict[str, str]:
    (found,) = (row for row in rows if row[0] == name)
    return dict(zip(rows[0], found, strict=True))


def message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_usage_and_the_cost_of_misses_survive_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    home = tmp_path / "home"
    with running(home, sandbox) as web:
        web.ask(message("hello"), tools=[TOOL])
        web.ask(message("hello"), message("more"), tools=[TOOL])
        assert web.run("codex.usage.misses") == [["cause", "calls", "missed", "share"]]
        comments = [flow["comment"] for flow in web.flows()]
        assert len(comments) == 2
    with running(home, sandbox) as web:
        web.ask(message("hello"), message("more"), tools=[TOOL])
        web.ask(message("hello"), message("more"), tools=[{**TOOL, "description": "runs a command"}])
        usage = web.run("codex.usage")
        for name in ("model gpt-5.1-codex", "conversation ses_1", "all"):
            assert (cells(usage, name)["calls"], cells(usage, name)["fail"]) == ("4", "0")
        assert len(web.run("codex.usage.days")) in (2, 3)  # the day may change during the test
        (_, (cause, calls, _, share)) = web.run("codex.usage.misses")
        assert (cause, calls, share) == ("tools", "1", "100%")
        web.proxy.wait_for("model gpt-5.1-codex      4     0")


def test_the_original_is_shown_and_sent_again(tmp_path: Path, sandbox: Sandbox) -> None:
    with running(tmp_path / "home", sandbox) as web:
        web.ask(message("hello"), temperature=1)
        web.ask(message("another"))
        (first, _) = web.flows()
        shown = web.run("codex.original", f"@{first['id']}")
        assert shown[0] == "POST http://api.openai.com/v1/responses"
        assert json.loads(shown[-1]) == {
            "model": "gpt-5-codex", "stream": True, "input": [message("hello")], "prompt_cache_key": "ses_1",
            "temperature": 1,
        }  # fmt: skip
        assert CLIENTS_KEY not in "".join(shown)
        assert web.run("codex.replay.original", f"@{first['id']}") is None
        web.wait_for_calls(3)
        again = [flow for flow in web.flows() if flow["is_replay"]]
        assert [flow["response"]["status_code"] for flow in again] == [200]
        assert again[0]["id"] != first["id"]
        assert again[0]["request"]["contentHash"] == first["request"]["contentHash"]
        assert web.run("codex.original", f"@{again[0]['id']}") == shown
    assert [entry["status"] for entry in sandbox.requests] == [200, 200, 200]


def test_an_original_that_was_not_kept_is_reported(tmp_path: Path, sandbox: Sandbox) -> None:
    with running(tmp_path / "home", sandbox, CODEX_KEEP_MB="0") as web:
        web.ask(message("hello"))
        (flow,) = web.flows()
        for command in ("codex.original", "codex.replay.original"):
            assert "codex_keep_mb" in web.run(command, f"@{flow['id']}")


def test_status_is_shown_and_instructions_are_refreshed(tmp_path: Path, sandbox: Sandbox) -> None:
    with raw_host() as host, running(tmp_path / "home", sandbox, CODEX_CATALOG_URL=host.root) as web:
        web.proxy.wait_for("not fetched from")
        sandbox.misbehave("plain-500", times=1)
        web.proxy.send({"model": "gpt-5-codex", "input": "hello", "stream": True})
        web.proxy.wait_for(r"gpt-5\.1-codex · .*· 500 ")
        status = dict(web.run("codex.status"))
        assert status["endpoint"] == f"up · {sandbox.url}/backend-api/codex/responses"
        assert status["codex_api_key"] == f"{redact(sandbox.key)} (CODEX_API_KEY)"
        assert status["instructions"].startswith("bundled (")
        assert "gpt-5.1-codex: 500" in status["last error"]

        host.answers[f"main/{NEW_PATH}"] = Answer(catalogue(*(model.slug for model in models())))
        for model in models():
            host.answers[f"{model.release}/{NEW_PATH}"] = Answer(catalogue(model.slug))
        assert host.root in web.run("codex.refresh")
        web.proxy.wait_for("instructions are up to date")
        status = dict(web.run("codex.status"))
        assert "main (" in status["instructions"]
        assert "seconds ago" in status["catalogue"]
