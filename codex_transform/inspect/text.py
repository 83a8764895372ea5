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

_DEEPEST = 12  # levels of JSON that get lines of their own


def section(title: str, lines: Iterable[str] = ()) -> Iterator[str]:
    """Yield a blank line, a heading, and the lines below it."""
    heading = f"── {title} "
    yield ""
    yield heading + "─" * (WIDTH - display_width(heading))
    yield from lines


def wrapped(text: str, indent: str = "", first: str | None = None) -> list[str]:
    """`text` over as many lines as it needs, broken between words; `first` begins the first one in place of `indent`.

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
    """Where a line of so many columns ends: after a word if there is one, in the middle of one if not."""
    end = 0
    for each in text:
        room -= display_width(each)
        if room < 0:
            break
        end += 1
    word = text.rfind(" ", 0, end + 1)
    return word if text[:word].strip(" ") and word > 0 else end


def table(rows: Iterable[tuple[str, Sequence[str] | str]]) -> Iterator[str]:
    """Rows of a name and what there is to say; a row without anything to say is left out."""
    for name, said in rows:
        value = said if isinstance(said, str) else " · ".join(part for part in said if part)
        if value:
            yield from wrapped(value, " " * 14, f"{name:<14}")


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
    if isinstance(value, dict | list) and value and len(indent) < 2 * _DEEPEST:
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
