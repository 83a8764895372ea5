"""`usage`: prints the tokens that calls have used, as counted by the proxy."""

import json
from datetime import date, datetime, time, timedelta

import click

from codex_transform import paths
from codex_transform.cli.tables import print_table
from codex_transform.jsonio import to_plain
from codex_transform.text import format_latency, format_percent, format_tokens
from codex_transform.usage.store import Usage, UsageStore

_BAR = 24
_PLURALS = {"model": "models", "client": "clients", "address": "addresses"}
_HEAD = ["calls", "failed", "repaired", "in", "cached", "out", "first token"]


@click.command(
    epilog="""\b
Examples:
  codex-transform usage
  codex-transform usage --days 30
  codex-transform usage --by client
  codex-transform usage --json
"""
)
@click.option("--days", type=click.IntRange(1, 400), default=7, show_default=True, help="How many, including today.")
@click.option(
    "--by",
    type=click.Choice(["model", "client", "address"]),
    default="model",
    show_default=True,
    help="What to group by besides days; clients are those of `codex-transform clients`, addresses those of other "
    "machines.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def usage(days: int, by: str, as_json: bool) -> None:
    """Show the tokens used, by day and by model, client or address.

    All proxies on this machine are counted together, in ~/.opencode/codex-usage.sqlite. The bar shows a day's input and
    output tokens; its dark part was read from the endpoint's cache. Repaired calls were answered after the endpoint had
    refused them at first: the log says what it refused. Requests that the proxy itself refused are no calls;
    `codex-transform status` counts them.
    """
    store = UsageStore(
        paths.usage_database(paths.home()), warn=lambda message: click.secho(message, fg="yellow", err=True)
    )
    first = date.today() - timedelta(days - 1)  # noqa: DTZ011 - the days of the person who asks
    since = datetime.combine(first, time()).timestamp()
    by_day, total = store.by_day(since), store.total(since)
    sums = {"model": store.by_model, "client": store.by_person, "address": store.by_address}
    named = sums[by](since)
    misses = store.misses(since)
    if as_json:
        document = {
            "since": first.isoformat(),
            "days": [_plain(each) for each in by_day],
            _PLURALS[by]: [_plain(each) for each in named],
            "misses": [each._asdict() for each in misses],
            "total": _plain(total) if total else None,
        }
        click.echo(json.dumps(document, indent=2))
        return
    if total is None:
        click.echo(f"No calls since {first}.")
        return
    most = max(each.tokens.input + each.tokens.output for each in by_day)
    rows = [[each.name, *_cells(each), _bar(each, most)] for each in by_day]
    _show(["day", *_HEAD, ""], rows)
    _show([by, *_HEAD], [[each.name, *_cells(each)] for each in [*named, total._replace(name="all")]])
    if misses:
        _show(
            ["not cached because of", "calls", "tokens"],
            [[m.cause, str(m.requests), format_tokens(m.missed)] for m in misses],
        )


def _show(head: list[str], rows: list[list[str]]) -> None:
    print_table(head, rows, right=range(1, 1 + len(_HEAD)))
    click.echo()


def _cells(each: Usage) -> list[str]:
    first = each.first_token_p50
    return [
        str(each.requests),
        str(each.errors or "-"),
        str(each.repaired or "-"),
        format_tokens(each.tokens.input),
        format_percent(each.tokens.cached_share) if each.tokens.input else "-",
        format_tokens(each.tokens.output),
        "-" if first is None else format_latency(first),
    ]


def _bar(each: Usage, most: int) -> str:
    """Return a bar for a day's tokens; it has full length if they are `most`, the highest number of a day."""
    if not most:
        return ""
    whole = -(-_BAR * (each.tokens.input + each.tokens.output) // most)
    dark = min(whole, round(_BAR * each.tokens.cached / most))
    return "█" * dark + "░" * (whole - dark)


def _plain(each: Usage) -> dict[str, object]:
    return {**each._asdict(), "tokens": to_plain(each.tokens)}
