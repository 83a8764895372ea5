"""`doctor`: runs all checks and prints what to fix."""

import json
import os
import sys
from collections.abc import Iterable
from typing import Any

import click

from codex_transform import __version__, paths
from codex_transform.cli.current_settings import load_settings
from codex_transform.cli.models_from_cache import learn_models
from codex_transform.doctor import checkup
from codex_transform.doctor.result import DoctorContext, Mark, Result
from codex_transform.opencode import config as opencode_config
from codex_transform.text import sanitize

_MARKS: dict[Mark, str] = {"ok": "✓", "warning": "!", "fault": "✗"}
_PLAIN: dict[Mark, str] = {"ok": "+", "warning": "!", "fault": "x"}
_COLOURS: dict[Mark, str] = {"ok": "green", "warning": "yellow", "fault": "red"}


@click.command(
    epilog="""\b
Examples:
  codex-transform doctor
  codex-transform doctor --offline
  codex-transform doctor --model gpt-5.2
  codex-transform doctor --json
"""
)
@click.option("--offline", is_flag=True, help="Do not use the network: contact neither the endpoint nor GitHub.")
@click.option("--model", metavar="NAME", help="The model to request from the endpoint.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Where the proxy should listen."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def doctor(offline: bool, model: str | None, port: int, as_json: bool) -> None:
    """Check everything and say what to fix.

    Each line begins with a mark for fine, a warning (!) or a fault; the last two are followed by what to do. One small
    request is sent to the endpoint. The exit status is 1 if there is a fault, else 0.
    """
    found = checkup.run_checks(context(offline, model, port))
    faults = _print_json(found) if as_json else _print(found)
    sys.exit(1 if faults else 0)


def context(offline: bool, model: str | None, port: int) -> DoctorContext:
    """Return what the checks examine: this process's environment and folder, and the user's files.

    Raises MissingFolderError if there is no home folder, or the working directory no longer exists.
    """
    home, folder = paths.home(), paths.cwd()
    learn_models()
    loaded = load_settings()
    client, warnings = opencode_config.load(os.environ, folder, home)
    return DoctorContext(
        environ=dict(os.environ),
        cwd=folder,
        home=home,
        loaded=loaded,
        opencode=client,
        opencode_warnings=tuple(warnings),
        offline=offline,
        model=model,
        port=port,
    )


def _print(found: Iterable[tuple[str, Result]]) -> int:
    """Print each result as soon as it is known, and return the number of faults."""
    marks, arrow = (_MARKS, "→") if _can_show("✓✗→") else (_PLAIN, "->")
    counts: dict[Mark, int] = dict.fromkeys(_MARKS, 0)
    current_title = ""
    for title, result in found:
        counts[result.mark] += 1
        if title != current_title:
            click.secho(f"{'' if not current_title else chr(10)}{title}", bold=True)
            current_title = title
        mark = click.style(marks[result.mark], fg=_COLOURS[result.mark], bold=True)
        # It may quote the files of a project, whose author may not be trusted.
        click.echo(f"{mark} {sanitize(f'{result.name}: {result.message}')}")
        if result.fix:
            click.echo(f"    {arrow} {sanitize(result.fix)}")
    parts = [(counts["fault"], "fault"), (counts["warning"], "warning")]
    summary = ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in parts if count)
    click.echo()
    click.secho(summary or "No problems found.", bold=True)
    return counts["fault"]


def _print_json(found: Iterable[tuple[str, Result]]) -> int:
    """Print the report as JSON, and return the number of faults."""
    results = list(found)
    # In ASCII, because the program that reads it may assume another encoding.
    click.echo(json.dumps(document(results), indent=2))
    return sum(result.mark == "fault" for _, result in results)


def document(results: Iterable[tuple[str, Result]]) -> dict[str, Any]:
    """Return the report as one JSON object with `version`, `ok`, and `checks`.

    Each check has `group`, `name`, `mark`, `says` (the message) and `mend` (the fix).
    """
    checks = [
        {"group": title, "mark": result.mark, "name": result.name, "says": result.message, "mend": result.fix}
        for title, result in results
    ]
    return {"version": __version__, "ok": all(check["mark"] != "fault" for check in checks), "checks": checks}


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
