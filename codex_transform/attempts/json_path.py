"""Places in a JSON value, and what to do at them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

Path = tuple[str | int, ...]
"""A place in a JSON value: names of members and indexes of a list."""

_STEP = re.compile(r"\d+|[A-Za-z_]\w*")


def parse_path(text: str) -> Path:
    """Return the steps of a path in OpenAI's form or in a dotted one: `[7].foo`, `7.foo`."""
    return tuple(int(step) if step.isdecimal() else step for step in _STEP.findall(text))


def holds(value: Any, path: Path) -> bool:
    """Return whether there is a member at the end of a path."""
    holder = find(value, path[:-1])
    return isinstance(holder, Mapping) and path[-1] in holder


def find(value: Any, path: Path) -> Any:
    """Return what is at a path within a JSON value, None if there is nothing."""
    for step in path:
        if not isinstance(value, Mapping | list):
            return None
        try:
            value = value[step]  # type: ignore[index]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def remove(roots: Iterable[Any], path: Path) -> bool:
    """Remove the member at the end of a path from each of these values; return whether any had it."""
    *parents, name = path
    holders = [holder for root in roots for holder in _find_all(root, tuple(parents))]
    having = [holder for holder in holders if isinstance(holder, dict) and name in holder]
    for holder in having:
        holder.pop(name, None)
    return bool(having)


def _find_all(value: Any, path: Path) -> list[Any]:
    """Return what is at a path, in which `*` stands for every index of a list."""
    if not path:
        return [value]
    values: list[Any] = [find(value, path[:1])]
    if path[0] == "*":
        values = value if isinstance(value, list) else []
    return [found for each in values for found in _find_all(each, path[1:])]


def dotted(path: Path) -> str:
    """Return a path as messages and pages write it: `input[3].id`, `tools[*].strict`."""
    steps = (f"[{step}]" if step == "*" or isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).lstrip(".")
