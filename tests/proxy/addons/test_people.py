"""A request for which the check of the person's limits raises."""

from pathlib import Path
from typing import Any

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.test import taddons, tflow

from codex_transform.people.person import Limits, new_person
from codex_transform.people.register import Register
from codex_transform.proxy.addons.config import Config
from codex_transform.proxy.addons.people import People
from codex_transform.proxy.bodies import RequestReader
from codex_transform.proxy.call import get_call, start_call
from codex_transform.proxy.refusals import Refusals
from codex_transform.state.shared_values import SharedValues
from codex_transform.usage.store import UsageStore


class Defective(SharedValues):
    """Values that raise when read."""

    def get(self, key: str) -> Any:
        raise IndexError(key)


@pytest.mark.parametrize("limits", [Limits(requests_per_minute=5), Limits()])
async def test_the_request_is_not_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limits: Limits
) -> None:
    """mitmproxy logs an addon's exception and continues: the request would be sent without being counted."""
    monkeypatch.setenv("HOME", str(tmp_path))
    person, key = new_person("alice", limits)
    config = Config({})
    with taddons.context(Proxyserver(), config):
        config.values, config.people = Defective(), Register((person,), defined=True)
        people = People(config, RequestReader(), UsageStore(tmp_path / "usage.sqlite"), Refusals())
        flow = tflow.tflow()
        flow.live, flow.request.headers["authorization"] = True, f"Bearer {key}"
        start_call(flow, "")
        await people.requestheaders(flow)
        assert flow.response is None
        await people.request(flow)
    assert flow.response
    assert (flow.response.status_code, get_call(flow)) == (500, None)
    assert "the request was not sent" in caplog.text
    assert key not in caplog.text
