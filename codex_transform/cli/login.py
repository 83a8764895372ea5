"""`login`, `logout` and `whoami`: save, remove and show the endpoint and its key in the config file."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from codex_transform import paths
from codex_transform.cli import prompts
from codex_transform.cli.current_settings import load_settings
from codex_transform.endpoint import url as endpoint_url
from codex_transform.fsutil import explain, is_missing
from codex_transform.redaction import redact
from codex_transform.settings.endpoint_list import (
    DEFAULT_NAME,
    list_endpoints,
    remove_endpoint,
    remove_keys,
    save_endpoint,
)
from codex_transform.settings.endpoints import EndpointSettings, read_endpoints, to_json
from codex_transform.settings.loader import ENDPOINTS, LoadedSettings
from codex_transform.settings.options import OPTIONS
from codex_transform.text import sentence


@click.command(
    epilog="""\b
Examples:
  codex-transform login
  codex-transform login --base-url https://your-codex-api.com
  codex-transform login --base-url https://your-codex-api.com --api-key-stdin < key.txt
  codex-transform login --name backup --priority 1
"""
)
@click.option("--base-url", metavar="URL", help="The endpoint's base URL, instead of asking.")
@click.option("--api-key-stdin", is_flag=True, help="Read the key from standard input, instead of asking.")
@click.option("--no-check", is_flag=True, help="Save both without trying them.")
@click.option("--name", metavar="NAME", help="Add an endpoint with this name to the others, or change it.")
@click.option("--model", "models", multiple=True, metavar="MODEL", help="With --name: a model that it serves.")
@click.option("--weight", type=click.IntRange(1, 1000), help="With --name: its share of the calls.")
@click.option("--priority", type=click.IntRange(0, 1000), help="With --name: the lowest gets the calls.")
def login(
    base_url: str | None,
    api_key_stdin: bool,
    no_check: bool,
    name: str | None,
    models: tuple[str, ...],
    weight: int | None,
    priority: int | None,
) -> None:
    """Ask for your endpoint and its key, try them, save them.

    The key is saved in ~/.opencode/openai-codex-auth-config.json, which only you can read. Without a terminal, settings
    without an option stay as they are, and nothing is saved, with exit status 1, unless the endpoint accepts the key.
    If that file has several endpoints, the one with the name default is changed; --name changes another.
    """
    loaded = load_settings()
    for problem in loaded.problems:
        if problem.setting is None and not problem.warning:
            raise click.ClickException(f"{problem.message}. Fix that first.")
    default = _default_of_list() if name is None else None
    if default:
        in_force = replace(loaded.settings, base_url=default.base_url, api_key=default.api_key)
        loaded = loaded._replace(settings=in_force)
    answers: dict[str, str] = {}
    if base_url is not None:
        answers["base_url"] = prompts.checked("base_url", base_url)
        click.echo(f"Requests will go to {endpoint_url.parse(answers['base_url']).url}", err=True)
    if api_key_stdin:
        line = sys.stdin.readline()
        if not line.strip():
            raise click.ClickException("There is no key on standard input. Fix: give it as the first line.")
        answers["api_key"] = prompts.checked("api_key", line)
    if name is not None:
        _keep_named(name, loaded, answers, no_check, models=models, weight=weight, priority=priority)
    elif models or weight or priority is not None:
        raise click.UsageError("--model, --weight and --priority belong to a named endpoint: give --name as well.")
    elif not api_key_stdin and prompts.is_interactive():
        fields = [field for field in prompts.REQUIRED if field not in answers]
        _save(prompts.ask(fields, loaded, answers, check=not no_check), default)
    else:
        _keep_given(loaded, answers, no_check, default)
    click.echo("Now: codex-transform run opencode", err=True)


_NOT_SAVED = "Nothing was saved. Fix: correct the base URL or the key, or save them untried with --no-check."


def _default_of_list() -> EndpointSettings | None:
    """Return the endpoint `default` of the config file's list, None if there is no list. Raises ClickException."""
    file = paths.config_file(paths.home())
    try:
        endpoints = list_endpoints(file)
    except ValueError as error:
        raise click.ClickException(f"{error}. Fix that first.") from None
    named = {each.name: each for each in endpoints}
    if named and DEFAULT_NAME not in named:
        names = ", ".join(named)
        raise click.UsageError(f"{file} has no endpoint {DEFAULT_NAME}: give --name as well. It has {names}.")
    return named.get(DEFAULT_NAME)


def _save(answers: Mapping[str, str], default: EndpointSettings | None) -> None:
    """Save the answers, in the list if it has an endpoint `default`; what is not in the answers stays."""
    if default is None:
        prompts.save_answers(paths.config_file(paths.home()), answers)
        return
    keys = {option.field: option.key for option in OPTIONS}
    _save_named(to_json(default) | {keys[field]: answer for field, answer in answers.items()})


def _keep_named(name: str, loaded: LoadedSettings, answers: dict[str, str], no_check: bool, **members: Any) -> None:
    """Save a named endpoint; settings without an option are asked for if there is a terminal."""
    missing = [field for field in prompts.REQUIRED if field not in answers]
    if missing and not prompts.is_interactive():
        raise click.UsageError("An endpoint with a name needs --base-url and --api-key-stdin.")
    if missing:
        answers = prompts.ask(missing, loaded, answers, check=not no_check)
    elif not no_check and prompts.probe_endpoint(loaded, answers):
        raise click.ClickException(_NOT_SAVED)
    entry = {"name": name, "baseURL": answers["base_url"], "apiKey": answers["api_key"]}
    _save_named(entry | {member: value for member, value in members.items() if value not in (None, ())})


def _save_named(entry: Mapping[str, Any]) -> None:
    """Save an endpoint in the list and print where it is. Raises ClickException if that fails."""
    file = paths.config_file(paths.home())
    with _explained(file):
        (endpoint,) = read_endpoints([entry])
        save_endpoint(file, endpoint)
    click.secho(f"Saved {endpoint.name} to {file} (readable only by you).", fg="green", err=True)
    for problem in load_settings().problems:
        if problem.source == f"{ENDPOINTS} in {file}":
            click.secho(problem.message, fg="yellow", err=True)


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Raise ClickException if the file cannot be changed."""
    try:
        yield
    except ValueError as error:
        raise click.ClickException(sentence(str(error).removeprefix("entry 0, "))) from None
    except OSError as error:
        raise click.ClickException(f"{explain(file, 'written', error)}.") from None


def _keep_given(
    loaded: LoadedSettings, answers: dict[str, str], no_check: bool, default: EndpointSettings | None
) -> None:
    if not answers:
        raise click.UsageError("There is no terminal to ask on: give --base-url and --api-key-stdin.")
    missing = [field for field in prompts.missing_settings(loaded) if field not in answers]
    if missing:
        option = {"base_url": "--base-url", "api_key": "--api-key-stdin"}[missing[0]]
        raise click.UsageError(f"There is no {prompts.NAMES[missing[0]]} yet: give {option} as well.")
    if not no_check and prompts.probe_endpoint(loaded, answers):
        raise click.ClickException(_NOT_SAVED)
    _save(answers, default)


@click.command(
    epilog="""\b
Examples:
  codex-transform logout
  codex-transform logout --name backup
"""
)
@click.option("--name", metavar="NAME", help="Remove only the endpoint of this name, with its key.")
def logout(name: str | None) -> None:
    """Remove the saved keys.

    All keys are removed from the config file, and with them the list of endpoints, if there is one. The base URL that
    was in use and all other settings stay.
    """
    file = paths.config_file(paths.home())
    if name is not None:
        with _explained(file):
            found = remove_endpoint(file, name)
        if not found:
            raise click.ClickException(f"There is no endpoint {name!r} in {file}: `codex-transform whoami` lists them.")
        click.echo(f"The endpoint {name} is no longer in {file}.")
        return
    with _explained(file):
        removed = remove_keys(file)
    if removed in ([], [DEFAULT_NAME]):
        click.echo(f"The key is no longer in {file}." if removed else f"There was no key in {file}.")
    else:
        click.echo(f"The keys of {', '.join(removed)} are no longer in {file}, nor is the list of endpoints.")
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
    """Show which endpoint and key are in use, and where they come from.

    The exit status is 1 if one of them is missing.
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
        rows.append(("API key", redact(settings.api_key.value), sources["api_key"]))
    else:
        rows.append(("API key", _missing(loaded, "api_key"), ""))
    for endpoint in loaded.endpoints:
        parts = [endpoint.endpoint.url, redact(endpoint.api_key.value)]
        parts += [f"weight {endpoint.weight}", f"priority {endpoint.priority}", *endpoint.models]
        rows.append((f"· {endpoint.name}", " · ".join(parts), ""))
    file = paths.config_file(paths.home())
    rows.append(("config file", str(file), "not there yet" if is_missing(file) else ""))
    for name, value, source in rows:
        click.echo(f"{click.style(f'{name:12}', bold=True)}{value}{f'  ({source})' if source else ''}")
    if prompts.missing_settings(loaded):
        raise click.exceptions.Exit(1)


def _missing(loaded: LoadedSettings, field: str) -> str:
    """Return what to print for a missing setting: to use `login`, unless another problem must be fixed first."""
    if any(problem.setting in (None, field) and not problem.warning for problem in loaded.problems):
        return "unknown until that is fixed"
    return "none: run `codex-transform login`"
