"""Calls replayed from a flow file and in mitmweb: the key is inserted again, and never shown."""

import json
from pathlib import Path

from e2e.keys.recording import CLIENTS_KEY, HELLO, flows, recording, traces
from support.mitmweb import Api, mitmweb

from codex_transform.redaction import redact
from codex_transform.sandbox import Sandbox


def test_a_saved_flow_is_replayed_with_the_key(tmp_path: Path, sandbox: Sandbox) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with recording(first, sandbox) as proxy:
        assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 200
        assert proxy.send({**HELLO, "stream": False})[0] == 200
    sandbox.forget()
    with recording(second, sandbox, "--client-replay", str(first / "flows"), "--set", "keepserving=true") as proxy:
        assert sandbox.wait(lambda requests: len(requests) == 2 and all(entry["finished"] for entry in requests), 20)
        # Once the proxy has a further answer, it has the last one too.
        assert proxy.send(HELLO)[0] == 200
    once, again = flows(first / "flows"), flows(second / "flows")
    assert [(entry["status"], entry["cancelled"]) for entry in sandbox.requests] == [(200, False)] * 3
    replayed = [flow for flow in again if flow.is_replay]
    assert len(replayed) == 2
    for before, after in zip(once, replayed, strict=True):
        assert after.request.headers["authorization"] == f"Bearer {redact(sandbox.key)}"
        assert after.request.raw_content == before.request.raw_content
        assert after.metadata["codex"]["changes"] == before.metadata["codex"]["changes"] != []
        assert after.response
        assert after.response.status_code == 200
        assert after.response.timestamp_end


def test_mitmweb_replays_with_the_key_and_does_not_show_it(tmp_path: Path, sandbox: Sandbox) -> None:
    with mitmweb(tmp_path / "home", sandbox, "-v") as (proxy, address):
        api = Api(address)
        assert proxy.send(HELLO, authorization=f"Bearer {CLIENTS_KEY}")[0] == 200
        assert proxy.send(b"[]", authorization=f"Bearer {CLIENTS_KEY}")[0] == 400
        text = api.fetch("/flows")
        seen = json.loads(text)
        assert len(seen) == 2
        assert dict(seen[0]["request"]["headers"])["Authorization"] == f"Bearer {redact(sandbox.key)}"
        api.fetch(f"/flows/{seen[0]['id']}/replay", method="POST")
        assert sandbox.wait(lambda requests: len(requests) == 2 and bool(requests[1]["finished"]))
        everything = text + b"".join(map(api.fetch, ("/flows", "/events", "/options", "/flows/dump")))
        assert traces(sandbox.key, tmp_path, everything.decode("latin-1")) == []
        assert traces(CLIENTS_KEY, tmp_path, everything.decode("latin-1")) == []
    assert [entry["status"] for entry in sandbox.requests] == [200, 200]
