"""How texts and numbers are written for people: on one line, within a width, with nothing that a terminal would obey.

Strategy: cut first, clean after, so that megabytes cost no more than what is shown of them. Characters that move a
cursor, change the direction of writing or break a line in some programs only are replaced. Comments, log lines, pages
and the command line all write with these few functions, so that they look alike.
"""

import re
from collections.abc import Collection, Sequence

# C0 and C1 controls but for line feeds, other line separators, marks of writing direction (UAX 9), half surrogates.
_UNSAFE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_LINE_END = re.compile("\r\n?")
_TAB = 4


def sanitize(text: str) -> str:
    """Return `text` with its line breaks, and a replacement character for whatever could garble a terminal."""
    if "\t" in text:
        text = text.expandtabs(_TAB)
    if "\r" in text:
        text = _LINE_END.sub("\n", text)
    return _UNSAFE.sub("\ufffd", text)


def truncate(text: str, longest: int) -> str:
    """Return `text`, fit to be shown; a line that says how much replaces what is over `longest` characters."""
    if len(text) <= longest:
        return sanitize(text)
    return f"{sanitize(text[:longest])}\n[cut: {len(text) - longest:,} more characters]"


def one_line(text: str, longest: int = 300) -> str:
    """Return the beginning of `text` on one line, without what is not printable, cut to so many characters."""
    # What is cut off need not be looked at.
    head = text[: 4 * longest]
    if not head.isprintable():
        head = "".join(char if char.isprintable() else " " for char in head)
    words = " ".join(head.split())
    return words if len(words) <= longest and len(text) <= 4 * longest else f"{words[: longest - 1].rstrip()}…"


def sentence(text: str) -> str:
    """Return `text` with a capital at its beginning and a full stop at its end."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def format_count(number: int, noun: str) -> str:
    """Return a number of things: `1 item`, `12,345 items`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_bytes(number: int) -> str:
    """Return a number of bytes: `512 bytes`, `12.3 kB`, `4.1 MB`."""
    if number < 1000:
        return format_count(number, "byte")
    return f"{number / 1000:,.1f} kB" if number < 1_000_000 else f"{number / 1_000_000:,.1f} MB"


def display_width(text: str) -> int:
    """Return how many columns of a terminal `text` takes: wide characters and emoji take two (UAX 11), marks none."""
    if text.isascii():
        return len(text)
    # Its tables take a while to load, and most texts need none.
    from wcwidth import wcswidth, wcwidth

    width = wcwidth(text) if len(text) == 1 else wcswidth(text)
    # It knows no width for a text with control characters.
    return width if width >= 0 else sum(max(wcwidth(each), 0) for each in text)


def format_tokens(number: int) -> str:
    """Return a number of tokens, short: `480`, `12.3k`, `123k`, `1.2M`.

    >>> format_tokens(480), format_tokens(12_345), format_tokens(1_234_567)
    ('480', '12.3k', '1.2M')
    """
    if number < 1000:
        return str(number)
    for unit in "kMG":
        value = number / 1000
        # What would be rounded to four digits is one of the next unit.
        if value < 999.5 or unit == "G":
            break
        number = round(value)
    return f"{value:.1f}{unit}" if value < 99.95 else f"{value:.0f}{unit}"


def format_percent(part: float) -> str:
    """Return a part of the whole in percent, 100 only if it is all: `91%`, `99%` for 0.999.

    >>> format_percent(0.913), format_percent(0.999), format_percent(1.0), format_percent(0.0)
    ('91%', '99%', '100%', '0%')
    """
    percent = round(part * 100)
    return f"{99 if percent == 100 and part < 1 else percent}%"


def format_latency(duration: float) -> str:
    """Return a time that somebody waited: `0.8 s`, `61 s`, `4 min 5 s`.

    >>> format_latency(0.84), format_latency(61.2), format_latency(245)
    ('0.8 s', '61 s', '4 min 5 s')
    """
    if duration < 9.95:
        return f"{duration:.1f} s"
    whole = round(duration)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def format_duration(duration: float) -> str:
    """Return a time that went by, in seconds, as people say it: `40 seconds`, `47 minutes`, `3 hours`, `2 days`.

    >>> format_duration(1), format_duration(47 * 60), format_duration(3 * 3600), format_duration(2 * 86400)
    ('1 second', '47 minutes', '3 hours', '2 days')
    """
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if duration >= 2 * size:
            return f"{int(duration // size)} {unit}s"
    whole = int(duration)
    return f"{whole} second" + ("" if whole == 1 else "s")


def format_table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Return a table's lines, its head first; the columns in `right` are aligned to the right."""
    widths = [max(map(display_width, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        blanks = [" " * (width - display_width(cell)) for cell, width in zip(cells, widths, strict=True)]
        padded = [
            blank + cell if index in right else cell + blank
            for index, (cell, blank) in enumerate(zip(cells, blanks, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return [line(head), *map(line, rows)]
