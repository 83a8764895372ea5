"""Asks for an endpoint and its key, tries both, and saves them once they work or the user insists.

Each answer is checked when it is entered. A key that the endpoint refuses is never saved, and asked for again. Answers
that cannot be tried, because the network or the endpoint is down, can be saved untried if the user agrees.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codex_transform import paths
from codex_transform.cli.current_settings import load_settings
from codex_transform.endpoint import url as endpoint_url
from codex_transform.endpoint.headers import DEFAULT_ORIGINATOR
from codex_transform.fsutil import explain
from codex_transform.settings import loader
from codex_transform.settings.loader import LoadedSettings
from codex_transform.settings.options import OPTIONS
from codex_transform.text import sentence

if TYPE_CHECKING:
    from codex_transform.probe.exchange import Step

REQUIRED = ("base_url", "api_key")
"""The settings without which the proxy cannot work."""

NAMES = {"base_url": "base URL", "api_key": "API key"}
"""What the required settings are called."""

_QUESTIONS = {
    "base_url": "Base URL of your Codex endpoint, such as https://your-codex-api.com",
    "api_key": "Its API key (not shown as you type)",
}

_NO_ENDPOINT = "No endpoint is set: run `codex-transform login` in a terminal, or set CODEX_BASE_URL and CODEX_API_KEY."


def require_settings(options: Mapping[str, object] | None = None) -> LoadedSettings:
    """Return the settings in force, after asking for the endpoint and the key if they are missing.

    Prints the problems with the settings. Raises ClickException if there is no terminal to ask on, or if a problem must
    be fixed elsewhere first.
    """
    loaded = load_settings(options)
    print_problems(loaded)
    missing = missing_settings(loaded)
    if missing:
        _require_fixable(loaded, missing)
        if not is_interactive():
            raise click.ClickException(_NO_ENDPOINT)
        save_answers(paths.config_file(paths.home()), ask(missing, loaded))
        loaded = load_settings(options)
    return loaded


def missing_settings(loaded: LoadedSettings) -> list[str]:
    """Return the names of the required settings that are missing."""
    missing = [field for field in REQUIRED if not getattr(loaded.settings, field)]
    return [field for field in missing if not (field == "api_key" and loaded.settings.forward_client_key)]


def print_problems(loaded: LoadedSettings) -> None:
    """Print the problems with the settings to standard error."""
    for problem in loaded.problems:
        click.secho(problem.message, fg="yellow", err=True)


def is_interactive() -> bool:
    """Return whether there is a terminal on which the user can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(
    fields: Sequence[str], loaded: LoadedSettings, initial: Mapping[str, str] | None = None, *, check: bool = True
) -> dict[str, str]:
    """Ask for these fields and return the answers, added to `initial`; with `check` they are tried at the endpoint.

    Raises ClickException if the user cancels with Ctrl-C or Ctrl-D.
    """
    answers = dict(initial or {})
    pending = list(fields)
    try:
        while pending:
            for field in pending:
                answers[field] = _answer(field, loaded)
            failed = probe_endpoint(loaded, answers) if check else None
            if failed is None:
                break
            if failed.name == "key" and "api_key" in fields:
                pending = ["api_key"]
            elif click.confirm("Save it anyway?", default=False, err=True):
                break
            else:
                pending = list(fields)
    except (click.Abort, KeyboardInterrupt):
        click.echo(err=True)
        raise click.ClickException("Nothing was saved.") from None
    return answers


def probe_endpoint(loaded: LoadedSettings, answers: Mapping[str, str]) -> "Step | None":
    """Try the endpoint with these answers, or the settings in force where there is none, and print each step.

    Returns the step that failed; None if all succeeded, or if the key is the client's own and so cannot be tried.
    """
    settings = loaded.settings
    key = answers.get("api_key") or (settings.api_key.value if settings.api_key else "")
    if not key:
        return None
    # Only here: most commands find their settings and try nothing, and these bring half of the package along.
    from codex_transform.probe.exchange import probe
    from codex_transform.probe.private_ca import private_ca

    where = endpoint_url.parse(answers.get("base_url") or str(settings.base_url))
    click.secho(f"Trying {where.origin} …", dim=True, err=True)
    failed = None
    for step in probe(
        where, key, originator=settings.originator or DEFAULT_ORIGINATOR, trusted_ca=private_ca(paths.home())
    ):
        click.secho(
            f"  {'✓' if step.ok else '✗'} {step.name}: {step.message}", fg="green" if step.ok else "red", err=True
        )
        if step.fix:
            click.echo(f"    {step.fix}", err=True)
        failed = None if step.ok else step
    return failed


def checked(field: str, answer: str) -> str:
    """Return the answer without surrounding blanks. Raises ClickException, with the reason, if it is invalid."""
    try:
        next(option for option in OPTIONS if option.field == field).read(answer)
    except ValueError as error:
        raise click.ClickException(f"Invalid {NAMES[field]}: {error}.") from None
    return answer.strip()


def save_answers(file: Path, answers: Mapping[str, str]) -> None:
    """Write the answers to the config file and print where they are. Raises ClickException if that fails."""
    save(file, answers)
    click.secho(f"Saved to {file} (readable only by you).", fg="green", err=True)
    reloaded = load_settings()
    for field in answers:
        source = reloaded.sources[field]
        if not source.endswith(f" in {file}"):
            click.secho(f"But {source} overrides the file: unset it for this to take effect.", fg="yellow", err=True)


def save(file: Path, updates: Mapping[str, str]) -> None:
    """Change the config file as `settings.loader.save` does. Raises ClickException if that fails."""
    try:
        loader.save(file, updates)
    except ValueError as error:
        raise click.ClickException(sentence(str(error))) from None
    except OSError as error:
        raise click.ClickException(f"{explain(file, 'written', error)}.") from None


def _answer(field: str, loaded: LoadedSettings) -> str:
    """Ask for a field until the answer is valid, and return it; the base URL in force is offered as the default."""
    default = loaded.settings.base_url if field == "base_url" else None
    while True:
        typed = click.prompt(_QUESTIONS[field], default=default, hide_input=field == "api_key", err=True)
        try:
            answer = checked(field, typed)
        except click.ClickException as error:
            click.secho(f"  {error.message}", fg="red", err=True)
            continue
        if field == "base_url":
            click.echo(f"  Requests will go to {endpoint_url.parse(answer).url}", err=True)
        return answer


def _require_fixable(loaded: LoadedSettings, missing: Sequence[str]) -> None:
    """Raise ClickException for an invalid value that an answer cannot replace: its source overrides the file."""
    file = paths.config_file(paths.home())
    for problem in loaded.problems:
        of_file = problem.source.endswith(f" in {file}") and problem.source != f"{loader.ENDPOINTS} in {file}"
        if not problem.warning and (problem.setting is None or (problem.setting in missing and not of_file)):
            raise click.ClickException("Fix that first.")
