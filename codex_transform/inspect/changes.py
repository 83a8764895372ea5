"""What the addon changed in a request, and the reason for each change, from the two bodies alone.

Strategy: nothing is written down while a request is on its way; what happened is read off the difference, with the
same catalogue and the same steps that made it. Fields one by one, items as `steps` pairs them; what was done to many
items alike is one change. A difference that no step of ours makes is said to be somebody else's.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from codex_transform.catalog import Resolved, resolve
from codex_transform.inspect.items import describe
from codex_transform.inspect.steps import FORM, ID, MOVED, OTHER, REFERENCE, ROLE, Step, steps
from codex_transform.request.fixed_fields import ENCRYPTED_REASONING, UNSUPPORTED_FIELDS
from codex_transform.request.input_items import message
from codex_transform.text import format_count, one_line

_LONGEST = 160


class Change(NamedTuple):
    """One difference: what it is about, how that was and is in a few words, and why. None: it was, or is, not there."""

    what: str
    before: str | None
    after: str | None
    why: str


_ABSENT: Any = object()
_COMPACT = "A compact request has no such field."
_NULL = "null means the same as leaving it out."
_EMPTY = "There was nothing in it."

# The fields that have one right value, which it is, and why.
_FIXED = {
    "store": (False, "Codex endpoints store nothing and refuse anything else."),
    "stream": (True, "Codex endpoints always stream; a client that wants no stream gets one object made of it."),
}
_INCLUDE = f"{ENCRYPTED_REASONING} keeps the reasoning from turn to turn, since nothing is stored."

# Objects whose members are compared one by one, and the members that the addon may change.
_OBJECTS = ("reasoning", "text")
_MEMBERS = ("reasoning.effort", "reasoning.summary", "text.verbosity")

_REFUSED = "Codex endpoints refuse it."
_TIER = "The catalogue lists no such service tier for this model."
_STRING = "A text alone becomes the user message that it stands for."

# What is done to many items alike: what changes, how it was and is.
_ALIKE = {
    ID: ("id", "there", None),
    FORM: ("form", "short", "full"),
    ROLE: ("role", "system", "developer"),
    REFERENCE: ("item_reference", "there", None),
}


def changes(original: Mapping[str, Any], sent: Mapping[str, Any]) -> list[Change]:
    """All that differs between the body that the client sent and the one that the endpoint got.

    Empty for equal bodies. Raises nothing for JSON, whatever its form.
    """
    walked = item_steps(original, sent)
    return [*_fields(original, sent, walked), *_items(original, sent, walked)]


def item_steps(original: Mapping[str, Any], sent: Mapping[str, Any]) -> list[Step]:
    """Return the items of both bodies, paired."""
    instructions, tools = original.get("instructions"), original.get("tools")
    return steps(
        _input(original),
        _input(sent),
        instructions if isinstance(instructions, str) else None,
        tools if isinstance(tools, list) else [],
    )


def _fields(original: Mapping[str, Any], sent: Mapping[str, Any], walked: list[Step]) -> Iterator[Change]:
    for name in dict.fromkeys((*original, *sent)):
        before, after = original.get(name, _ABSENT), sent.get(name, _ABSENT)
        if _same(before, after):
            continue
        if name == "input":
            if not isinstance(before, list) or not isinstance(after, list):
                if isinstance(before, str) and isinstance(after, list):
                    yield Change(name, _shown(before), "a user message", _STRING)
                else:
                    yield _change(name, before, after, OTHER)
        elif name in _OBJECTS and _is_object(before) and _is_object(after):
            yield from _members(name, before, after, original, sent)
        elif name == "instructions":
            yield _change(name, before, after, _why_instructions(before, after, walked))
        else:
            yield _change(name, before, after, _why(name, before, after))


def _why(name: str, before: Any, after: Any) -> str:
    if name == "model":
        return _why_model(before, after)
    if name == "include":
        return _COMPACT if after is _ABSENT else _why_include(before, after)
    if name in _FIXED:
        value, why = _FIXED[name]
        return _COMPACT if after is _ABSENT else why if after is value else OTHER
    if after is not _ABSENT:
        return OTHER
    if before is None:
        return _NULL
    if name in UNSUPPORTED_FIELDS:
        return _REFUSED
    return _TIER if name == "service_tier" else OTHER


def _why_include(before: Any, after: Any) -> str:
    given = before if isinstance(before, list) else []
    more = (
        [each for each in after if each not in given and each != ENCRYPTED_REASONING] if isinstance(after, list) else []
    )
    parts = [_INCLUDE] if ENCRYPTED_REASONING not in given else []
    parts += [f"From OpenCode's configuration: {one_line(', '.join(map(str, more)), 80)}."] if more else []
    return " ".join(parts) or "Each value stands once."


def _why_model(before: Any, after: Any) -> str:
    if not isinstance(before, str) or resolve(before).slug != after:
        return OTHER
    resolved = resolve(before)
    named = _letters(before.rpartition("/")[2]) == _letters(resolved.slug + (resolved.effort or ""))
    parts = [
        "So Codex endpoints write it." if named else "Codex endpoints do not serve the one; the other takes its place."
    ]
    if resolved.effort:
        parts.append("The effort in the name goes to reasoning.effort.")
    return " ".join((*parts, "The answer names it as the client did."))


def _why_instructions(before: Any, after: Any, walked: list[Step]) -> str:
    if not isinstance(after, str):
        return OTHER
    if not isinstance(before, str) or not before.strip():
        return "Each model has Codex instructions of its own."
    moved = next((step.after for step in walked if step.before is None and MOVED in step.why), None)
    if moved is None:
        return "The model's Codex instructions take their place; OpenCode's own prompt, which stood here, is taken out."
    return f"The model's Codex instructions take their place; what stood here is input[{moved}] now."


def _members(
    name: str, before: Any, after: Any, original: Mapping[str, Any], sent: Mapping[str, Any]
) -> Iterator[Change]:
    """Yield the changes within `reasoning` or `text`."""
    was, now = ({} if each is _ABSENT else each for each in (before, after))
    found = False
    for member in dict.fromkeys((*was, *now)):
        old, new = was.get(member, _ABSENT), now.get(member, _ABSENT)
        if not _same(old, new):
            found = True
            yield _change(f"{name}.{member}", old, new, _why_member(f"{name}.{member}", old, new, original, sent))
    if not found:
        yield _change(name, before, after, _EMPTY if after is _ABSENT else OTHER)


def _why_member(path: str, before: Any, after: Any, original: Mapping[str, Any], sent: Mapping[str, Any]) -> str:
    asked = original.get("model")
    resolved = resolve(asked) if isinstance(asked, str) else None
    unset = before is _ABSENT or before is None
    if unset and after is _ABSENT:
        return _NULL
    if path not in _MEMBERS or resolved is None or resolved.slug != sent.get("model"):
        return OTHER
    if path == "reasoning.effort":
        return _why_effort(unset, before, after, resolved)
    if path == "reasoning.summary":
        if after is _ABSENT:
            return "No summary is said by leaving it out."
        return "Without it there is no summary of the reasoning." if unset else "So the API writes it."
    if after is _ABSENT:
        return f"{resolved.slug} has no verbosity."
    return "From OpenCode's configuration, or what the Codex CLI sends for this model." if unset else OTHER


def _why_effort(unset: bool, before: Any, after: Any, resolved: Resolved) -> str:
    model, wanted = resolved.model, resolved.effort if unset else before
    if model and isinstance(wanted, str) and after != wanted:
        said = "The name says" if unset else "Asked was"
        return f"{said} {one_line(wanted, 40)}; {model.slug} takes {', '.join(model.efforts)}."
    if resolved.effort and unset:
        return "It was in the model's name."
    if not unset:
        return OTHER
    default = model.default_effort if model else None
    return (
        f"What {resolved.slug} does by default."
        if after == default
        else "From OpenCode's configuration for this model."
    )


def _items(original: Mapping[str, Any], sent: Mapping[str, Any], walked: list[Step]) -> Iterator[Change]:
    before, after = _input(original), _input(sent)
    alike: dict[str, list[int]] = {}
    for step in walked:
        own = []
        for why in step.why:
            if why in _ALIKE:
                alike.setdefault(why, []).append(step.before or 0)
            else:
                own.append(why)
        if own:
            yield Change(
                f"input[{step.before if step.after is None else step.after}]",
                None if step.before is None else _summed(before[step.before]),
                None if step.after is None else _summed(after[step.after]),
                " ".join(own),
            )
    for why, indexes in alike.items():
        what, was, now = _ALIKE[why]
        yield Change(f"{what} of {_listed(indexes)}", was, now, why)


def _listed(indexes: list[int]) -> str:
    """Which of the client's items."""
    if len(indexes) == 1:
        return f"the client's input[{indexes[0]}]"
    shown = ", ".join(map(str, indexes[:5]))
    return f"{format_count(len(indexes), 'item')} (the client's input {shown}{', …' if len(indexes) > 5 else ''})"


def _summed(item: Any) -> str:
    title, text, notes, _ = describe(item)
    return ", ".join((title, *([format_count(len(text), "character")] if text or not notes else []), *notes))


def _input(body: Mapping[str, Any]) -> list[Any]:
    given = body.get("input")
    if isinstance(given, str):
        return [message("user", given)]
    return given if isinstance(given, list) else []


def _change(what: str, before: Any, after: Any, why: str) -> Change:
    return Change(what, _shown(before), _shown(after), why)


def _shown(value: Any) -> str | None:
    if value is _ABSENT:
        return None
    if isinstance(value, str):
        return (
            one_line(value, _LONGEST)
            if len(value) <= _LONGEST
            else f"{format_count(len(value), 'character')}: {one_line(value, 40)}"
        )
    if isinstance(value, list) and len(value) > 8:
        return f"{len(value):,} entries"
    return one_line(json.dumps(value, ensure_ascii=False), _LONGEST)


def _same(before: Any, after: Any) -> bool:
    return before is after or (type(before) is type(after) and bool(before == after))


def _is_object(value: Any) -> bool:
    return value is _ABSENT or isinstance(value, dict)


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
