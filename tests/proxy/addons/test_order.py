"""The order of the addons: each has a place, and those that depend on the order are where they must be."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest
from mitmproxy.hooks import all_hooks

from codex_transform.proxy import addons
from codex_transform.proxy.addons import ORDER
from codex_transform.proxy.composite import CompositeAddon

KINDS = [kind for kind, _ in ORDER]

# Not in the order: these are loaded separately.
OTHERS = {"UpstreamBypass", "ReloadGuard", "ClientCount"}


def test_every_addon_of_the_folder_has_a_place_and_a_reason() -> None:
    found = set()
    for file in Path(addons.__file__).parent.glob("[a-z]*.py"):
        module = import_module(f"{addons.__name__}.{file.stem}")
        for name, kind in vars(module).items():
            own = inspect.isclass(kind) and kind.__module__ == module.__name__ and not name.startswith("_")
            if own and any(hasattr(kind, hook) for hook in all_hooks):
                found.add(kind)
    assert {kind.__name__ for kind in found} - OTHERS == {kind.__name__ for kind in KINDS}
    assert all(reason for _, reason in ORDER)
    assert len(set(KINDS)) == len(KINDS)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("Config", "ClientAccess"),
        ("Interception", "Drain"),
        ("Interception", "RequestTranslation"),
        ("LoopbackGuard", "ConnectTimeout"),
        ("ConnectTimeout", "HappyEyeballs"),
        ("RequestTranslation", "ServerReplay"),
        ("ServerReplay", "ResponseTranslation"),
        ("ResponseTranslation", "CallRecorder"),
        ("CallRecorder", "BodyRetention"),
        ("Config", "Admin"),
        ("CallRecorder", "Admin"),
    ],
)
def test_which_addon_comes_before_which(earlier: str, later: str) -> None:
    names = [kind.__name__ for kind in KINDS]
    assert names[0] == "LogOutput"
    assert names.index(earlier) < names.index(later)


def test_all_are_built_as_one_addon() -> None:
    (addon,) = addons.build()
    assert isinstance(addon, CompositeAddon)
    assert {"load", "running", "requestheaders", "request", "response", "done"} <= {
        hook for hook in all_hooks if hasattr(addon, hook)
    }
