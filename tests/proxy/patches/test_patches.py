"""The table of patches against the installed mitmproxy, and what happens when a release lacks a name."""

import logging
from inspect import isclass, isfunction
from types import ModuleType

import pytest
from mitmproxy import optmanager
from mitmproxy.proxy.layers import http
from mitmproxy.proxy.layers.http._http2 import Http2Connection
from mitmproxy.proxy.mode_servers import AsyncioServerInstance
from mitmproxy.test import taddons

from codex_transform.proxy import patches
from codex_transform.proxy.layers import body_limit, http1, http2, idle_timeout, retry, stream, websocket
from codex_transform.proxy.patches import PATCHES
from codex_transform.proxy.patches.option_sources import set_by_user

LAYERS = (body_limit, http1, http2, idle_timeout, retry, stream, websocket)

KINDS = (http.HttpStream, http.Http1Connection, Http2Connection)

# Methods that mitmproxy does not have.
NEW = {"stop_all", "state_hold_headers", "state_pause"}


def test_the_installed_mitmproxy_has_every_name() -> None:
    assert patches.check() == []
    assert patches.unmet() is None


def overridden() -> list[tuple[type, str]]:
    """Each method of `layers` that mitmproxy calls, with mitmproxy's class that has it."""
    found = []
    for module in LAYERS:
        for cls in vars(module).values():
            if isclass(cls) and cls.__module__ == module.__name__ and issubclass(cls, KINDS):
                base = next(each for each in cls.__mro__ if each.__module__.startswith("mitmproxy"))
                names = [name for name, value in vars(cls).items() if isfunction(value) or isinstance(value, property)]
                found += [
                    (base, name)
                    for name in names
                    if name not in NEW and (not name.startswith("_") or name == "_handle_event")
                ]
    return found


def test_every_overridden_method_exists_in_mitmproxy_and_is_in_the_table() -> None:
    needs = {name for patch in PATCHES for name in patch.needs}
    methods = overridden()
    assert len(methods) > 12
    for base, name in methods:
        assert hasattr(base, name) or any(name in vars(each).get("__annotations__", {}) for each in base.__mro__), name
        prefixes = ("mitmproxy.proxy.layers.http:", "mitmproxy.proxy.layers.http._http2:")
        owners = {f"{prefix}{each.__name__}.{name}" for each in base.__mro__ for prefix in prefixes}
        assert owners & needs, f"{base.__name__}.{name} is overridden and not in the table"


def test_names_are_listed_once_and_patches_have_a_purpose() -> None:
    for patch in PATCHES:
        assert len(set(patch.needs)) == len(patch.needs) > 0
        assert patch.purpose


def test_a_missing_name_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(http.HttpStream, "check_invalid")
    (missing,) = patches.check()
    assert missing.names == ("mitmproxy.proxy.layers.http:HttpStream.check_invalid",)
    reason = patches.unmet()
    assert reason
    assert reason.startswith("mitmproxy lacks mitmproxy.proxy.layers.http:HttpStream.check_invalid: without")
    assert "Fix: install a release of mitmproxy from" in reason


def test_a_missing_module_is_a_missing_name() -> None:
    patch = patches.Patch("p", "", "", ("no_such_module:name", "gc:freeze"))
    assert [name for name in patch.needs if not patches.exists(name)] == ["no_such_module:name"]


def test_an_optional_patch_is_left_out_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    all_patches = len(patches.apply())
    monkeypatch.delitem(AsyncioServerInstance.__annotations__, "_servers")
    with caplog.at_level(logging.WARNING):
        assert len(patches.apply()) == all_patches - 1
    assert patches.unmet() is None
    assert "without the patch listen_backlog more than 100 clients" in caplog.text


class WithoutUnset(ModuleType):
    """A module whose `unset` is visible only to its own functions."""

    def __getattribute__(self, name: str) -> object:
        if name == "unset":
            raise AttributeError(name)
        return super().__getattribute__(name)


async def test_without_the_private_name_options_set_to_their_default_count_as_unset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with taddons.context() as context:
        context.options.add_option("codex_mode", bool, True, "")
        context.options.add_option("codex_base_url", str, "", "")
        context.options.update(codex_mode=True)
        assert set_by_user(["codex_mode", "codex_base_url"]) == {"codex_mode": True}
        context.options.update(codex_base_url="https://h")
        monkeypatch.setattr(optmanager, "__class__", WithoutUnset)
        assert set_by_user(["codex_mode", "codex_base_url"]) == {"codex_base_url": "https://h"}
