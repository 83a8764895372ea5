"""Many addons as one: each hook calls the addons that have it, in order."""

import asyncio
from typing import Any

import pytest
from mitmproxy.addonmanager import Loader
from mitmproxy.exceptions import AddonHalt, OptionsError
from mitmproxy.test import taddons, tflow

from codex_transform.proxy.composite import CompositeAddon


class Addon:
    """Records the hooks that are called."""

    def __init__(self, name: str, calls: list[Any]) -> None:
        self.name = name
        self.calls = calls

    def load(self, loader: Loader) -> None:
        self.calls.append((self.name, "load", type(loader)))

    def request(self, flow: object) -> None:
        self.calls.append((self.name, flow))


class AsyncAddon(Addon):
    """An addon with a coroutine function as a hook."""

    async def request(self, flow: object) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        self.calls.append((self.name, flow))

    def response(self, flow: object) -> None:
        self.calls.append((self.name, "response", flow))


async def test_all_addons_are_called_in_order() -> None:
    calls: list[Any] = []
    composite = CompositeAddon(Addon("a", calls), AsyncAddon("b", calls), Addon("c", calls))
    flow = tflow.tflow(resp=True)
    with taddons.context() as context:
        context.master.addons.add(composite)
        assert calls == [("a", "load", Loader), ("b", "load", Loader), ("c", "load", Loader)]
        calls.clear()
        await context.cycle(composite, flow)
    assert calls == [("a", flow), ("b", flow), ("c", flow), ("b", "response", flow)]


def test_a_hook_is_no_coroutine_unless_an_addon_has_one() -> None:
    """mitmproxy accepts no coroutine for some hooks."""
    calls: list[Any] = []
    composite: Any = CompositeAddon(Addon("a", calls), AsyncAddon("b", calls))
    assert composite.load(None) is None
    assert [name for name, *_ in calls] == ["a", "b"]


def test_hooks_that_no_addon_has_are_missing() -> None:
    assert not hasattr(CompositeAddon(Addon("a", [])), "responseheaders")


class Broken:
    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def request(self, _flow: object) -> None:
        raise self.fault

    async def response(self, _flow: object) -> None:
        raise self.fault


async def test_an_exception_does_not_skip_later_addons(caplog: pytest.LogCaptureFixture) -> None:
    """For example, requests are intercepted although the settings cannot be read."""
    calls: list[Any] = []
    composite: Any = CompositeAddon(Addon("a", calls), Broken(ValueError("of its own")), AsyncAddon("c", calls))
    await composite.request("x")
    assert calls == [("a", "x"), ("c", "x")]
    await composite.response("y")
    assert calls[2:] == [("c", "response", "y")]
    assert [record.getMessage() for record in caplog.records] == 2 * ["Addon error: of its own"]


@pytest.mark.parametrize("fault", [AddonHalt(), OptionsError("x")])
def test_exceptions_that_mitmproxy_handles_are_raised(fault: Exception) -> None:
    calls: list[Any] = []
    composite: Any = CompositeAddon(Broken(fault), Addon("b", calls))
    with pytest.raises(type(fault)):
        composite.request("x")
    assert calls == []
