"""Tables for terminals: plain columns, as wide as what they hold."""

from collections.abc import Collection, Sequence

import click

from codex_transform.inspect.text import columns


def lines(head: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """The lines of a table with this head, in bold; the columns in `right` hold numbers."""
    widths = [max(map(columns, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        blanks = [" " * (width - columns(cell)) for cell, width in zip(cells, widths, strict=True)]
        padded = [
            blank + cell if index in right else cell + blank
            for index, (cell, blank) in enumerate(zip(cells, blanks, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return [click.style(line(head), bold=True), *map(line, rows)]
