"""Tables for terminals: plain columns, as wide as what they hold."""

from collections.abc import Collection, Sequence

import click


def lines(head: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """The lines of a table with this head, in bold; the columns in `right` hold numbers."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return [click.style(line(head), bold=True), *map(line, rows)]
