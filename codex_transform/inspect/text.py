"""How things are written on a page: short lines, headed sections, nothing that a terminal would obey.

Strategy: cut first, clean after, so that megabytes cost no more than what is shown of them. What is cut says how much
was cut. Characters that move a cursor, change the direction of writing or break a line in some programs only are
replaced; HTML needs nothing, because every page that shows the text escapes it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from codex_transform.text import display_width, sanitize

WIDTH = 84
"""Columns of a line: what half of mitmweb has room for at 1440 pixels, and a console of 100 columns as well."""

_LONGEST_LINE = 8 * WIDTH  # characters; an emoji may be ten, and marks can pile up without end
_MAX_DEPTH = 12  # levels of JSON that get lines of their own


def section(title: str, lines: Iterable[str] = ()) -> Iterator[str]:
    """Yield a blank line, a heading, and the lines below it."""
    heading = f"── {title} "
    yield ""
    yield heading + "─" * (WIDTH - display_width(heading))
    yield from lines


def wrapped(text: str, indent: str = "", first: str | None = None) -> list[str]:
    """Break `text` between words into as many lines as it needs. `first` replaces the `indent` of the first line.

    Spaces at the beginning of its own lines stay.
    """
    lines = []
    begins = indent if first is None else first
    for line in sanitize(text).split("\n"):
        while display_width(line[:WIDTH]) > (room := WIDTH - len(begins)) or len(line) > room:
            end = _end_of_line(line, room)
            lines.append(begins + line[:end].rstrip(" "))
            line, begins = line[end:].lstrip(" "), indent
        lines.append(begins + line)
        begins = indent
    return lines


def _end_of_line(text: str, room: int) -> int:
    """Return where a line of so many columns ends: after a word if possible, else in the middle of one."""
    end = columns = 0
    for each in text[:_LONGEST_LINE]:
        columns += display_width(each)
        if columns > room:
            break
        end += 1
    # Some marks have no width of their own and widen what they follow.
    while end > 1 and display_width(text[:end]) > room:
        end -= 1
    word = text.rfind(" ", 0, end + 1)
    return word if text[:word].strip(" ") and word > 0 else end


def table(rows: Iterable[tuple[str, Sequence[str] | str]]) -> Iterator[str]:
    """Yield the lines of a table of names and values; rows without a value are left out."""
    for name, value in rows:
        text = value if isinstance(value, str) else " · ".join(part for part in value if part)
        if text:
            yield from wrapped(text, " " * 14, f"{name:<14}")


def pretty(value: Any) -> str:
    """Return a JSON value over several lines. A text with line breaks stands between triple quotes, as it is."""
    try:
        return "\n".join(_pretty(value, ""))
    except RecursionError:
        return "[nested too deeply to be shown]"


def _pretty(value: Any, indent: str) -> list[str]:
    deeper = f"{indent}  "
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return ['"""', *value.split("\n"), f'{indent}"""']
    if isinstance(value, dict | list) and value and len(indent) < 2 * _MAX_DEPTH:
        named = value.items() if isinstance(value, dict) else (("", each) for each in value)
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        lines = [opening]
        for name, each in named:
            first, *rest = _pretty(each, deeper)
            key = f"{_json(str(name))}: " if isinstance(value, dict) else ""
            lines += [f"{deeper}{key}{first}", *rest]
            lines[-1] += ","
        lines[-1] = lines[-1].removesuffix(",")
        return [*lines, f"{indent}{closing}"]
    return [_json(value)]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
