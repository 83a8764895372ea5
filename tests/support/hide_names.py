"""A `sitecustomize` that hides names of mitmproxy, as in a release without them.

CODEX_TEST_HIDE lists them as `module:name.name`, separated by commas. mitmproxy itself works on, because its own
functions still see their globals and instances.
"""

import os
import sys
from importlib import import_module
from types import ModuleType


def hide(path: str) -> None:
    """Hide one name: of a module, of a class, or one that a class declares for its instances."""
    module_name, _, names = path.partition(":")
    *owners, name = names.split(".")
    module = import_module(module_name)
    if not owners:
        hidden = getattr(module, "__hidden__", set()) | {name}

        class Hiding(ModuleType):
            __hidden__ = hidden

            def __getattribute__(self, attribute: str) -> object:
                if attribute in hidden:
                    raise AttributeError(attribute)
                return super().__getattribute__(attribute)

        module.__class__ = Hiding
        return
    owner = module
    for each in owners:
        owner = getattr(owner, each)
    if name in vars(owner):
        delattr(owner, name)
    owner.__annotations__.pop(name, None)


if "mitmdump" in sys.argv[0] or "mitmdump" in "".join(sys.orig_argv):
    for path in os.environ.get("CODEX_TEST_HIDE", "").split(","):
        if path:
            hide(path)
