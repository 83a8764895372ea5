"""Tables on the command line."""

from collections.abc import Collection, Sequence

import click

from codex_transform.text import format_table


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> None:
    """Print a table with its head in bold; the columns in `right` are aligned to the right."""
    first, *rest = format_table(head, rows, right)
    click.secho(first, bold=True)
    for line in rest:
        click.echo(line)
