"""Tells which options the user has set, even if to their default: those alone override other sources.

mitmproxy's public `has_changed` says no for an option that was set to its default.
"""

from collections.abc import Iterable

from mitmproxy import ctx, optmanager


def set_by_user(names: Iterable[str]) -> dict[str, object]:
    """Return the options of these names that the user has set, with their values."""
    options = dict(ctx.options.items())
    if not hasattr(optmanager, "unset"):
        return {name: options[name].current() for name in names if name in options and ctx.options.has_changed(name)}
    return {
        name: options[name].current()
        for name in names
        if name in options and options[name].value is not optmanager.unset
    }
