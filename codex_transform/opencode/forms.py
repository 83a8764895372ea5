"""The two forms of OpenCode's configuration, and which of them a file is in.

OpenCode 1 has the old form alone. OpenCode 2 reads both, in one file too, and of a provider or a model that is in both
the new one counts as a whole; a mixture of the two within one entry is dropped. So a file is extended in its own form.
Where that is open, in an empty file, it is the old one, which every version reads.
"""

from typing import NamedTuple


class Form(NamedTuple):
    """Where the provider is in a form, and what its members are called.

    `models` is the path of the models, `base_url` that of the address that OpenCode sends requests to. `marks` are
    members of a model that the other form does not have.
    """

    name: str
    models: tuple[str, ...]
    base_url: tuple[str, ...]
    marks: frozenset[str]


OLD = Form(
    "old",
    ("provider", "openai", "models"),
    ("provider", "openai", "options", "baseURL"),
    frozenset(("id", "attachment", "modalities", "options", "reasoning", "temperature", "tool_call")),
)
NEW = Form(
    "new",
    ("providers", "openai", "models"),
    ("providers", "openai", "settings", "baseURL"),
    frozenset(("body", "capabilities", "disabled", "modelID", "package", "settings")),
)
FORMS = (OLD, NEW)

_NEW_MEMBERS = frozenset(("agents", "commands", "permissions", "plugins", "references", "snapshots", "update"))
_OLD_MEMBERS = frozenset(("agent", "autoupdate", "command", "mode", "permission", "plugin", "reference", "snapshot"))


def form_of(value: object) -> Form:
    """Return the form in which the provider is, or would be, in the configuration `value`."""
    if not isinstance(value, dict):
        return OLD
    groups = [(form, value.get(form.models[0])) for form in (NEW, OLD)]
    there = [(form, group) for form, group in groups if isinstance(group, dict)]
    if there:
        return next((form for form, group in there if "openai" in group), there[0][0])
    return NEW if value.keys() & _NEW_MEMBERS and not value.keys() & _OLD_MEMBERS else OLD


def fits(entry: object, form: Form) -> bool:
    """Return whether a model's entry may be extended in this form: whether it has nothing of the other one."""
    if not isinstance(entry, dict):
        return True
    other = OLD if form is NEW else NEW
    listed = isinstance(entry.get("variants"), list if form is OLD else dict)
    return not (entry.keys() & other.marks or listed)
