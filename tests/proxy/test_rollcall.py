"""Who is asked for an event, and that what mitmproxy promises its addons still holds."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mitmproxy import exceptions
from mitmproxy.addonmanager import AddonManager
from mitmproxy.addons import block, disable_h2c, next_layer
from mitmproxy.addons.script import ScriptLoader
from mitmproxy.hooks import UpdateHook
from mitmproxy.proxy.layers.http import HttpRequestHook
from mitmproxy.test import taddons, tflow

from codex_transform.proxy.rollcall import RollCall

# As it is before anything takes its place.
MITMPROXYS = AddonManager.trigger_event


class Addon:
    """Notes what it is asked."""

    def __init__(self, name: str, said: list[str]) -> None:
        self.name = name
        self.said = said

    def request(self, _flow: object) -> None:
        self.said.append(self.name)


class Failing(Addon):
    def request(self, flow: object) -> None:
        super().request(flow)
        raise ValueError("of its own")


class Halting(Addon):
    async def request(self, flow: object) -> None:  # type: ignore[override]
        super().request(flow)
        raise exceptions.AddonHalt


@pytest.fixture
async def manager() -> AsyncIterator[AddonManager]:
    with taddons.context(RollCall()) as context:
        yield context.master.addons
        context.master.addons.clear()


async def asked(manager: AddonManager) -> list[str]:
    """Triggers a request, and gives what was said for it."""
    said = next(addon.said for addon in manager.chain if isinstance(addon, Addon))
    said.clear()
    await manager.trigger_event(HttpRequestHook(tflow.tflow()))
    return list(said)


async def test_everybody_elses_addons_are_asked_in_their_order(manager: AddonManager) -> None:
    said: list[str] = []
    manager.add(Addon("a", said), block.Block(), Addon("b", said), disable_h2c.DisableH2C(), Addon("c", said))
    assert await asked(manager) == ["a", "b", "c"]


async def test_mitmproxys_own_are_asked_if_they_have_the_hook(manager: AddonManager) -> None:
    own = disable_h2c.DisableH2C()
    manager.add(own)
    flow = tflow.tflow()
    flow.request.headers["upgrade"] = "h2c"
    await manager.trigger_event(HttpRequestHook(flow))
    assert "upgrade" not in flow.request.headers


def test_mitmproxys_own_are_not_asked_for_what_they_have_not() -> None:
    own, other, scripts = block.Block(), Addon("a", []), ScriptLoader()
    chain = [own, next_layer.NextLayer(), other, scripts]
    # A script may turn out to have any hook, and so may what is not mitmproxy's.
    assert RollCall().answering(chain, "request") == [other, scripts]
    assert RollCall().answering(chain, "client_connected") == [own, other, scripts]


async def test_who_comes_and_who_goes(manager: AddonManager) -> None:
    said: list[str] = []
    first, second = Addon("a", said), Addon("b", said)
    manager.add(first)
    assert await asked(manager) == ["a"]
    manager.add(second)
    assert await asked(manager) == ["a", "b"]
    manager.remove(first)
    assert await asked(manager) == ["b"]


async def test_a_hook_that_an_addon_gets_later(manager: AddonManager) -> None:
    said: list[str] = []
    late: Any = type("Late", (), {"name": "late"})()
    manager.add(Addon("a", said), late)
    assert await asked(manager) == ["a"]
    late.request = lambda _flow: said.append("late")
    assert await asked(manager) == ["a", "late"]


async def test_one_that_fails_does_not_keep_others_from_being_asked(
    manager: AddonManager, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []
    manager.add(Failing("a", said), Addon("b", said))
    assert await asked(manager) == ["a", "b"]
    assert "Addon error: of its own" in caplog.text


async def test_one_that_calls_a_halt_does(manager: AddonManager) -> None:
    said: list[str] = []
    manager.add(Halting("a", said), Addon("b", said))
    assert await asked(manager) == ["a"]


@pytest.mark.parametrize("kinds", [[Addon, Failing, Addon], [Failing, Halting, Addon], [Addon, Addon, Halting]])
async def test_what_happens_is_what_mitmproxy_does(manager: AddonManager, kinds: list[type[Addon]]) -> None:
    said: list[str] = []
    manager.add(*(kind(f"{kind.__name__} {number}", said) for number, kind in enumerate(kinds)), block.Block())
    ours = await asked(manager)
    said.clear()
    await MITMPROXYS(manager, HttpRequestHook(tflow.tflow()))
    assert ours == said != []


async def test_an_update_is_an_event_like_others(manager: AddonManager) -> None:
    class Table:
        def __init__(self) -> None:
            self.flows: list[object] = []

        def update(self, flows: list[object]) -> None:
            self.flows += flows

    table, flow = Table(), tflow.tflow()
    manager.add(block.Block(), table)
    await manager.handle_lifecycle(HttpRequestHook(flow))
    await manager.trigger_event(UpdateHook([flow]))
    assert table.flows == [flow, flow]


async def test_in_the_end_mitmproxy_asks_in_its_own_way(manager: AddonManager) -> None:
    ours = AddonManager.trigger_event
    manager.clear()
    assert AddonManager.trigger_event is not ours
    assert AddonManager.trigger_event.__module__ == "mitmproxy.addonmanager"
