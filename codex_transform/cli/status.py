"""`status`: what the running proxies say of themselves."""

import json
import sys

import click

from codex_transform import paths
from codex_transform.cli.tables import print_table
from codex_transform.jsonio import to_plain
from codex_transform.status.discovery import running_proxies
from codex_transform.status.rows import status_rows


@click.command(
    epilog="""\b
Examples:
  codex-transform status
  codex-transform status --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show the running proxies: their endpoints, with limits, and where the last calls went.

    It finds those of `run` and `start`, and any mitmproxy with the addon, that you have started on this machine. The
    exit status is 0 if one runs and each has an endpoint that takes calls.
    """
    proxies = list(running_proxies(paths.proxies_folder(paths.home())))
    if as_json:
        click.echo(json.dumps({"proxies": [to_plain(each) for each in proxies]}, indent=2))
    else:
        for index, facts in enumerate(proxies):
            if index:
                click.echo()
            first, *rest = status_rows(facts)
            print_table(first, rest)
    if not proxies:
        click.echo(
            "None of your proxies is running on this machine."
            " Fix: run `codex-transform run opencode`, or `codex-transform start`.",
            err=True,
        )
    elif not all(each.takes_calls for each in proxies):
        click.echo("A running proxy has no endpoint that accepts calls now: see above for why.", err=True)
    else:
        return
    sys.exit(1)
