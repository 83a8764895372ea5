"""Many addons as one: each hook asks those that have it, in their order."""

import asyncio
from typing import Any

import pytest
from mitmproxy.addonmanager import Loader
from mitmproxy.exceptions import AddonHalt, OptionsError
from mitmproxy.test import taddons, tflow

from codex_transform.proxy.composite import CompositeAddon


class Addon:
    """Notes what it is asked."""

    def __init__(self, name: str, said: list[Any]) -> None:
        self.name = name
        self.said = said

    def load(self, loader: Loader) -> None:
        self.said.append((self.name, "load", type(loader)))

    def request(self, flow: object) -> None:
        self.said.append((self.name, flow))


class Waiting(Addon):
    """Takes its time."""

    async def request(self, flow: object) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.said.append((self.name, flow))

    def response(self, flow: object) -> None:
        self.said.append((self.name, "response", flow))


async def test_all_are_asked_in_their_order() -> None:
    said: list[Any] = []
    together = CompositeAddon(Addon("a", said), Waiting("b", said), Addon("c", said))
    flow = tflow.tflow(resp=True)
    with taddons.context() as context:
        context.master.addons.add(together)
        assert said == [("a", "load", Loader), ("b", "load", Loader), ("c", "load", Loader)]
        said.clear()
        await context.cycle(together, flow)
    assert said == [("a", flow), ("b", flow), ("c", flow), ("b", "response", flow)]


def test_what_nobody_waits_for_is_no_coroutine() -> None:
    """mitmproxy refuses one for some hooks."""
    said: list[Any] = []
    together: Any = CompositeAddon(Addon("a", said), Waiting("b", said))
    assert together.load(None) is None
    assert [name for name, *_ in said] == ["a", "b"]


def test_there_is_no_hook_that_no_addon_has() -> None:
    assert not hasattr(CompositeAddon(Addon("a", [])), "responseheaders")


class Broken:
    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def request(self, _flow: object) -> None:
        raise self.fault

    async def response(self, _flow: object) -> None:
        raise self.fault


async def test_a_fault_keeps_nobody_from_being_asked(caplog: pytest.LogCaptureFixture) -> None:
    """Where settings cannot be read, requests are caught all the same."""
    said: list[Any] = []
    together: Any = CompositeAddon(Addon("a", said), Broken(ValueError("of its own")), Waiting("c", said))
    await together.request("x")
    assert said == [("a", "x"), ("c", "x")]
    await together.response("y")
    assert said[2:] == [("c", "response", "y")]
    assert [record.getMessage() for record in caplog.records] == 2 * ["Addon error: of its own"]


@pytest.mark.parametrize("fault", [AddonHalt(), OptionsError("x")])
def test_what_is_meant_for_mitmproxy_gets_there(fault: Exception) -> None:
    said: list[Any] = []
    together: Any = CompositeAddon(Broken(fault), Addon("b", said))
    with pytest.raises(type(fault)):
        together.request("x")
    assert said == []
