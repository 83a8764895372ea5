"""How things are written on a page: short lines, headed sections, nothing that a terminal would obey.

Strategy: cut first, clean after, so that megabytes cost no more than what is shown of them. What is cut says how much
was cut. Characters that move a cursor, change the direction of writing or break a line in some programs only are
replaced; HTML needs nothing, because every page that shows the text escapes it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from unicodedata import east_asian_width

WIDTH = 84
"""Columns of a line: what half of mitmweb has room for at 1440 pixels, and a console of 100 columns as well."""

# C0 and C1 controls but for line feeds, other line separators, marks of writing direction (UAX 9), half surrogates.
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LINE_END = re.compile("\r\n?")

_DEEPEST = 12  # levels of JSON that get lines of their own
_TAB = 4


def plain(text: str) -> str:
    """`text` with its line breaks, and with a replacement character for everything that could garble a terminal."""
    if "\t" in text:
        text = text.expandtabs(_TAB)
    if "\r" in text:
        text = _LINE_END.sub("\n", text)
    return _UNSAFE.sub("\ufffd", text)


def cut(text: str, longest: int) -> str:
    """`text`, fit to be shown; what is over `longest` characters is replaced by a line that says how much it was."""
    if len(text) <= longest:
        return plain(text)
    return f"{plain(text[:longest])}\n[cut: {len(text) - longest:,} more characters]"


def brief(text: str, longest: int) -> str:
    """The beginning of `text` on one line."""
    words = " ".join(plain(text[: 4 * longest]).split())
    return words if len(words) <= longest and len(text) <= 4 * longest else f"{words[: longest - 1].rstrip()}…"


def count(number: int, noun: str) -> str:
    """`1 item`, `12,345 items`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size(number: int) -> str:
    """A number of bytes: `512 bytes`, `12.3 kB`, `4.1 MB`."""
    if number < 1000:
        return count(number, "byte")
    return f"{number / 1000:,.1f} kB" if number < 1_000_000 else f"{number / 1_000_000:,.1f} MB"


def section(title: str, lines: Iterable[str] = ()) -> Iterator[str]:
    """A blank line, a heading, and the lines below it."""
    heading = f"── {title} "
    yield ""
    yield heading + "─" * (WIDTH - columns(heading))
    yield from lines


def wrapped(text: str, indent: str = "", first: str | None = None) -> list[str]:
    """`text` over as many lines as it needs, broken between words; `first` begins the first one in place of `indent`.

    Spaces at the beginning of its own lines stay.
    """
    lines = []
    begins = indent if first is None else first
    for line in plain(text).split("\n"):
        while columns(line[:WIDTH]) > (room := WIDTH - len(begins)) or len(line) > room:
            end = _end_of_line(line, room)
            lines.append(begins + line[:end].rstrip(" "))
            line, begins = line[end:].lstrip(" "), indent
        lines.append(begins + line)
        begins = indent
    return lines


def columns(text: str) -> int:
    """How many columns `text` takes: Chinese, Japanese and Korean characters take two (UAX 11)."""
    return len(text) if text.isascii() else len(text) + sum(east_asian_width(each) in "WF" for each in text)


def _end_of_line(text: str, room: int) -> int:
    """Where a line of so many columns ends: after a word if there is one, in the middle of one if not."""
    end = 0
    for each in text:
        room -= columns(each)
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
    """A JSON value over several lines. A text with line breaks stands between triple quotes, as it is."""
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
