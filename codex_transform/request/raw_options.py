"""Options of a model that stand in a request as they stand in OpenCode's configuration, such as `reasoningEffort`.

The preview of OpenCode 2 sends the `options` of a configuration in the old form like this, where the API has other
names for them, and header fields of the provider's along with them. An endpoint refuses such fields.
"""

from typing import Any

from codex_transform.request.changes import Changes

# The option, the object of the request that it belongs to, and its name there.
_NAMES = (
    ("reasoningEffort", "reasoning", "effort"),
    ("reasoningSummary", "reasoning", "summary"),
    ("textVerbosity", "text", "verbosity"),
)
_HEADERS = "headers"

_MOVED = "The API has another name for this option of OpenCode's configuration."
_DROPPED = "An option of OpenCode's configuration, and no field of the API."


def move_options(body: dict[str, Any], changes: Changes) -> None:
    """Give options the place that the API has for them, where the request does not fill it, and drop header fields."""
    for option, group, name in _NAMES:
        if option not in body:
            continue
        value = body[option]
        changes.set_field(body, option, None, _MOVED)
        members = body.setdefault(group, {})
        if isinstance(value, str) and value and not members.get(name):
            changes.set_field(members, f"{group}.{name}", value, _MOVED)
    if _HEADERS in body:
        changes.set_field(body, _HEADERS, None, _DROPPED)
