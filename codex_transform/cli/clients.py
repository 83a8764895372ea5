"""`clients`: manages the people who share a proxy, each with a key and limits of their own."""

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from codex_transform import paths
from codex_transform.cli.current_settings import load_settings
from codex_transform.cli.tables import print_table
from codex_transform.fsutil import explain
from codex_transform.people import register
from codex_transform.people.person import NAME_RULE, Limits, Person, new_person, with_new_key
from codex_transform.text import format_tokens
from codex_transform.usage.store import UsageStore

F = TypeVar("F", bound=Callable[..., Any])

_NO_LIMIT = "none"


def _number(_ctx: click.Context, _option: click.Parameter, text: str | None) -> int | str | None:
    """Return the positive number in an option's text, or `none`; None without text. Raises BadParameter."""
    plain = (text or "").replace(",", "").replace("_", "")
    if text is None or plain.lower() == _NO_LIMIT:
        return text and _NO_LIMIT
    if not plain.isdecimal() or len(plain) > 15 or not int(plain):
        raise click.BadParameter(f"{text!r} is neither a positive whole number nor none.")
    return int(plain)


def _limit_options(command: F) -> F:
    """Add the options for limits to a command."""
    for name, about in (
        ("--tokens-per-month", "Input and output tokens allowed in a calendar month."),
        ("--tokens-per-day", "Input and output tokens allowed in a day."),
        ("--requests-per-minute", "Requests allowed in a minute."),
    ):
        command = click.option(name, metavar="NUMBER|none", callback=_number, help=about)(command)
    return click.option("--models", metavar="NAMES|none", help="The only models allowed, separated by commas.")(command)


@click.group(
    epilog="""\b
Examples:
  codex-transform clients add alice
  codex-transform clients add bob --models gpt-5.3-codex --requests-per-minute 30 --tokens-per-day 2000000
  codex-transform clients list
  codex-transform clients limit bob --tokens-per-day none
  codex-transform clients rotate alice
  codex-transform clients remove bob
"""
)
def clients() -> None:
    """Give people keys of their own for this proxy, with limits.

    Once there are such keys, your proxies require one with every request, instead of an OpenAI key. The proxies of
    `run` and `doctor` do not, because they serve nobody else. The keys are stored as hashes in
    ~/.opencode/codex-clients.json. Running proxies notice a change within a second or two.
    """


@clients.command()
@click.argument("name")
@_limit_options
def add(name: str, **given: int | str | None) -> None:
    """Create a key for a person and show it once.

    Only the key is printed to standard output.
    """
    settings = load_settings().settings
    if settings.forward_client_key:
        raise click.ClickException(
            "codex_forward_client_key is on, so the endpoint would get this key. Fix: turn it off, then run this again."
        )
    file, people = _read()
    if any(person.name.lower() == name.lower() for person in people):
        raise click.ClickException(
            f"{name} has a key already. Fix: run `codex-transform clients rotate {name}`, which replaces it."
        )
    try:
        person, key = new_person(name, _changed(Limits(), given))
    except ValueError:
        raise click.UsageError(f"{name!r} {NAME_RULE}.") from None
    _write(file, (*people, person))
    _show_key(key, f"The key of {name}, which is shown only once:")
    click.echo(
        "It is used instead of an OpenAI key"
        + ("." if people else "; from now on nobody is served without a key, not even on this machine."),
        err=True,
    )


@clients.command("list")
def list_clients() -> None:
    """Show who has a key, their limits and their usage."""
    file, people = _read()
    if not people:
        if file.exists():
            click.echo(f"Nobody has a key, and nobody is served without one. To serve without keys, delete {file}.")
        else:
            click.echo("Nobody has a key, and none is required. `codex-transform clients add NAME` creates one.")
        return
    store = UsageStore(
        paths.usage_database(paths.home()), warn=lambda message: click.secho(message, fg="yellow", err=True)
    )
    today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: DTZ005 - the user's day
    day, month = (
        {each.name: each.tokens.input + each.tokens.output for each in store.by_person(since.timestamp())}
        for since in (today, today.replace(day=1))
    )
    rows = [
        [
            person.name,
            person.hint,
            person.created.isoformat(),
            str(person.requests_per_minute or "-"),
            _used(day.get(person.name, 0), person.tokens_per_day),
            _used(month.get(person.name, 0), person.tokens_per_month),
            ", ".join(person.models) or "all",
        ]
        for person in people
    ]
    print_table(["client", "key", "since", "requests/min", "tokens today", "this month", "models"], rows, range(3, 6))


@clients.command()
@click.argument("name")
def remove(name: str) -> None:
    """Revoke a person's key.

    Their usage stays counted; the responses stored for them can no longer be read by anybody.
    """
    file, people = _read()
    person = _named(people, name)
    left = [each for each in people if each is not person]
    _write(file, left)
    click.echo(f"The key of {name} no longer works.", err=True)
    if not left:
        click.echo(f"It was the last key: nobody is served now. To serve without keys again, delete {file}.", err=True)


@clients.command()
@click.argument("name")
def rotate(name: str) -> None:
    """Replace a person's key by a new one.

    The old key no longer works. Limits, usage and stored responses stay.
    """
    file, people = _read()
    person = _named(people, name)
    changed, key = with_new_key(person)
    _write(file, [changed if each is person else each for each in people])
    _show_key(key, f"The new key of {name}, which is shown only once:")


@clients.command()
@click.argument("name")
@_limit_options
def limit(name: str, **given: int | str | None) -> None:
    """Change a person's limits.

    `none` removes a limit; limits that are not named stay.
    """
    if not any(value is not None for value in given.values()):
        raise click.UsageError("Name a limit: see --help.")
    file, people = _read()
    person = _named(people, name)
    changed = _changed(person, given)
    _write(file, [changed if each is person else each for each in people])
    click.echo(f"Changed the limits of {name}: `codex-transform clients list` shows them.", err=True)


L = TypeVar("L", bound=Limits)


def _changed(limits: L, given: dict[str, Any]) -> L:
    """Return `limits` with the options that were given applied; `none` removes a limit. Raises UsageError."""
    updates = {name: value for name, value in given.items() if value is not None}
    updates = {name: None if value == _NO_LIMIT else value for name, value in updates.items()}
    if "models" in updates:
        names = (updates["models"] or "").split(",")
        updates["models"] = tuple(dict.fromkeys(each.strip() for each in names if each.strip()))
    try:
        return type(limits).model_validate({**limits.model_dump(), **updates})
    except ValueError:
        raise click.UsageError("A model name may have at most 200 characters.") from None


def _read() -> tuple[Path, tuple[Person, ...]]:
    """Return the file of clients and the people in it. Raises ClickException if it is damaged."""
    file = paths.clients_file(paths.home())
    found = register.load(file)
    if found.problem:
        raise click.ClickException(f"{found.problem}. Nothing was changed. Fix: {found.fix}.")
    return file, found.people


def _write(file: Path, people: Iterable[Person]) -> None:
    try:
        register.save(file, people)
    except OSError as error:
        raise click.ClickException(f"Nothing was changed: {explain(file, 'written', error)}.") from None


def _named(people: tuple[Person, ...], name: str) -> Person:
    person = next((person for person in people if person.name == name), None)
    return person or _unknown(people, name)


def _unknown(people: tuple[Person, ...], name: str) -> NoReturn:
    known = ", ".join(person.name for person in people) or "none"
    raise click.ClickException(f"There is no client {name!r}; the clients are: {known}.")


def _show_key(key: str, about: str) -> None:
    click.echo(about, err=True)
    click.echo(key)


def _used(tokens: int, limit: int | None) -> str:
    return f"{format_tokens(tokens)} of {format_tokens(limit)}" if limit else format_tokens(tokens)
