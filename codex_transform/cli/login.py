"""`login`, `logout` and `whoami`: the endpoint and its key in the config file."""

import sys

import click

from codex_transform import paths
from codex_transform.cli import prompts
from codex_transform.cli.current_settings import load_settings
from codex_transform.endpoint import url as endpoint_url
from codex_transform.fsutil import is_missing
from codex_transform.redaction import redact
from codex_transform.settings.loader import LoadedSettings
from codex_transform.settings.options import OPTIONS


@click.command(
    epilog="""\b
Examples:
  codex-transform login
  codex-transform login --base-url https://your-codex-api.com
  codex-transform login --base-url https://your-codex-api.com --api-key-stdin < key.txt
"""
)
@click.option("--base-url", metavar="URL", help="The endpoint's base URL, in place of the question.")
@click.option("--api-key-stdin", is_flag=True, help="Read the key from standard input, in place of the question.")
@click.option("--no-check", is_flag=True, help="Save both without trying them.")
def login(base_url: str | None, api_key_stdin: bool, no_check: bool) -> None:
    """Ask for your endpoint and its key, try them, save them.

    The key is saved in ~/.opencode/openai-codex-auth-config.json, readable by you alone. Without a terminal, what no
    option gives stays as it is, and nothing is kept unless the endpoint takes the key: the exit status tells.
    """
    loaded = load_settings()
    for problem in loaded.problems:
        if problem.setting is None and not problem.warning:
            raise click.ClickException(f"{problem.message}. Fix that first.")
    answers: dict[str, str] = {}
    if base_url is not None:
        answers["base_url"] = prompts.checked("base_url", base_url)
        click.echo(f"Requests will go to {endpoint_url.parse(answers['base_url']).url}", err=True)
    if api_key_stdin:
        answers["api_key"] = prompts.checked("api_key", sys.stdin.readline())
    if not api_key_stdin and prompts.is_interactive():
        _ask(loaded, answers, no_check)
    else:
        _keep_given(loaded, answers, no_check)
    click.echo("Now: codex-transform run opencode", err=True)


def _ask(loaded: LoadedSettings, answers: dict[str, str], no_check: bool) -> None:
    fields = [field for field in prompts.REQUIRED if field not in answers]
    prompts.save_answers(paths.config_file(paths.home()), prompts.ask(fields, loaded, answers, check=not no_check))


def _keep_given(loaded: LoadedSettings, answers: dict[str, str], no_check: bool) -> None:
    if not answers:
        raise click.UsageError("There is no terminal to ask on: give --base-url and --api-key-stdin.")
    missing = [field for field in prompts.missing_settings(loaded) if field not in answers]
    if missing:
        option = {"base_url": "--base-url", "api_key": "--api-key-stdin"}[missing[0]]
        raise click.UsageError(f"There is no {option.strip('-').replace('-', ' ')} yet: give {option} as well.")
    if not no_check and prompts.probe_endpoint(loaded, answers):
        raise click.ClickException("Nothing was saved. Fix: correct the answer, or save it untried with --no-check.")
    prompts.save_answers(paths.config_file(paths.home()), answers)


@click.command(
    epilog="""\b
Example:
  codex-transform logout
"""
)
def logout() -> None:
    """Forget the key.

    It is taken out of the config file; the base URL and all other settings stay.
    """
    file = paths.config_file(paths.home())
    option = next(option for option in OPTIONS if option.field == "api_key")
    had = load_settings().sources["api_key"] == f"{option.key} in {file}"
    if not is_missing(file):
        prompts.save(file, {"api_key": None})
    click.echo(f"The key is no longer in {file}." if had else f"There was no key in force in {file}.")
    left = load_settings()
    if left.settings.api_key:
        click.secho(f"A key still comes from {left.sources['api_key']}: unset it there.", fg="yellow", err=True)


@click.command(
    epilog="""\b
Example:
  codex-transform whoami
"""
)
def whoami() -> None:
    """Show which endpoint and key are in force, and where they come from.

    The exit status is 1 when one of them is missing.
    """
    loaded = load_settings()
    prompts.print_problems(loaded)
    settings, sources = loaded.settings, loaded.sources
    rows = [("endpoint", _missing(loaded, "base_url"), "")]
    if settings.base_url:
        rows = [
            ("endpoint", endpoint_url.parse(settings.base_url).url, ""),
            ("base URL", settings.base_url, sources["base_url"]),
        ]
    if settings.forward_client_key:
        rows.append(("API key", "the client's own", sources["forward_client_key"]))
    elif settings.api_key:
        rows.append(("API key", redact(settings.api_key.get_secret_value()), sources["api_key"]))
    else:
        rows.append(("API key", _missing(loaded, "api_key"), ""))
    file = paths.config_file(paths.home())
    rows.append(("config file", str(file), "not there yet" if is_missing(file) else ""))
    for name, value, source in rows:
        click.echo(f"{click.style(f'{name:12}', bold=True)}{value}{f'  ({source})' if source else ''}")
    if prompts.missing_settings(loaded):
        raise click.exceptions.Exit(1)


def _missing(loaded: LoadedSettings, field: str) -> str:
    """Return what to do about a setting that is not there: `login` helps where nothing stands in its way."""
    if any(problem.setting in (None, field) and not problem.warning for problem in loaded.problems):
        return "unknown until that is fixed"
    return "none: run `codex-transform login`"
