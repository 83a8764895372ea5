"""`config`: writes the models to OpenCode's configuration files and leaves the rest of the files as it is.

Every change is shown as a diff, a long one shortened, and confirmed before a file is written; a backup of the file is
kept in its folder.
"""

import itertools
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click

from codex_transform import paths
from codex_transform.cli import file_change
from codex_transform.cli.models_from_cache import learn_models
from codex_transform.jsonc.editor import Document, render
from codex_transform.opencode import editor as opencode_editor
from codex_transform.opencode import legacy_plugin, provider_models
from codex_transform.opencode.forms import FORMS, NEW, Form, form_of
from codex_transform.text import format_count, sanitize

_SCHEMA = "https://opencode.ai/config.json"
_MAX_LISTED = 12  # models, or values of the user's, that are listed one by one

_EXAMPLES = """\b
Examples:
  codex-transform config                          all models, efforts as variants
  codex-transform config --legacy                 for OpenCode before 1.0.140
  codex-transform config --models gpt-5.3-codex,gpt-5.2
  codex-transform config --reverse http://127.0.0.1:8080/v1
  codex-transform config --print > opencode.json
  codex-transform config --uninstall
"""


@click.command(epilog=_EXAMPLES)
@click.option("--modern", "form", flag_value="modern", help="One entry per model, efforts as variants. The default.")
@click.option("--legacy", "form", flag_value="legacy", help="One entry per model and effort: gpt-5.2-codex-high.")
@click.option("--models", metavar="NAMES", help="Only these models, separated by commas.")
@click.option("--reverse", metavar="URL", help="Make OpenCode use a proxy in reverse mode: its address with /v1.")
@click.option("--file", "file", type=click.Path(path_type=Path, dir_okay=False), help="Write this file.")
@click.option("--project", is_flag=True, help="Write the current project's file.")
@click.option("--print", "to_stdout", is_flag=True, help="Print what would be written, and write nothing.")
@click.option("--uninstall", is_flag=True, help="Remove what this command wrote and nobody has changed since.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
def config(
    form: str | None,
    models: str | None,
    reverse: str | None,
    file: Path | None,
    project: bool,
    to_stdout: bool,
    uninstall: bool,
    yes: bool,
) -> None:
    """Write OpenCode's configuration: every model with its efforts.

    The models are added to OpenCode's own opencode.json or opencode.jsonc, in the form that the file already uses:
    OpenCode 2 also reads that of OpenCode 1. Everything in the file stays, including comments. The changes are shown
    first, shortened if there are many, and the file is backed up before it is written. No key is written.
    """
    if file and project:
        raise click.UsageError("--file and --project name different files: use only one of them")
    home, folder = paths.home(), paths.cwd()
    path = file or opencode_editor.target(os.environ, folder, home, project=project)
    if reverse is not None:
        reverse = _proxy_url(reverse)
    learn_models()
    try:
        chosen = provider_models.select_models(() if models is None else _names(models))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--models") from None
    if uninstall:
        kinds = [form] if form else ["modern", "legacy"]
        ours: dict[Form, dict[str, Any]] = {each: {} for each in FORMS}
        for each, kind in itertools.product(FORMS, kinds):
            ours[each] |= provider_models.entries(chosen, legacy=kind == "legacy", form=each)
        _uninstall(path, ours, reverse, to_stdout=to_stdout, yes=yes)
        return
    plugins = legacy_plugin.find(os.environ, folder, home)
    before = file_change.read(path)
    of_file = form_of({} if file_change.is_empty(before) else file_change.document(path, before).value)
    members = provider_models.entries(chosen, legacy=form == "legacy", form=of_file)
    after = _filled(path, _without_plugin(path, before) if to_stdout else before, members, reverse, of_file)
    _warn_of_plugins(plugins)
    if to_stdout:
        click.echo(after.encode(), nl=False)  # bytes: line ends stay
        return
    if _remove_plugins(plugins, yes=yes):
        before = file_change.read(path)
        after = _filled(path, before, members, reverse, of_file)
    _tell_kept(path, before, members, of_file)
    if after == before:
        click.echo(f"{path} already contains all of it: nothing to do.")
        return
    summary = _summary("Adds", _only_in(after, before, {of_file: members}))
    if not file_change.confirm_and_write(path, before, after, yes=yes, summary=summary):
        _decline()
    program, variant = ("opencode2", "#high") if of_file is NEW else ("opencode", " --variant high")
    proxy = "" if reverse else "codex-transform run "
    model = f"openai/{next(iter(members))}{'' if form == 'legacy' else variant}"
    if reverse:
        click.echo("OpenCode needs some key to start: set OPENAI_API_KEY to any text.")
    click.echo(f'Try: {proxy}{program} run -m {model} "say hello"')


def _uninstall(
    path: Path, ours: dict[Form, dict[str, Any]], reverse: str | None, *, to_stdout: bool, yes: bool
) -> None:
    """Remove the entries that are still as this command would write them, and print the names of the others."""
    before = file_change.read(path)
    if file_change.is_empty(before):
        file_change.fail(f"{path} does not exist, or is empty: there is nothing to remove.")
    names: dict[str, Any] = {}
    for form, members in ours.items():
        names |= provider_models.wrap(members, form)
        if reverse is not None:
            group, provider, options, name = form.base_url
            names[group][provider][options] = {name: reverse}
    document = file_change.document(path, before)
    after = document.remove(provider_models.removable(document, names))
    if to_stdout:
        click.echo(after.encode(), nl=False)  # bytes: line ends stay
        return
    remaining = Document(after)
    left: list[str] = []
    for form, members in ours.items():
        paths = [(*form.models, name) for name in members]
        left += [".".join(each) for each in paths if remaining.has(each)]
        if remaining.has(form.base_url):
            left.append(f"{'.'.join(form.base_url)} (to remove it, name it with --reverse)")
    if left:
        click.echo("Left unchanged (your own, changed since, or an address that was not named):")
        for name in left:
            click.echo(f"  {name}")
    if after == before:
        click.echo(f"{path} contains nothing else that this command wrote: nothing to do.")
        return
    summary = _summary("Removes", _only_in(before, after, ours))
    if not file_change.confirm_and_write(path, before, after, yes=yes, summary=summary):
        _decline()


def _only_in(text: str, other: str, entries: Mapping[Form, Iterable[str]]) -> list[str]:
    """Return the names of those entries that a file has with the text `text`, and not with `other`."""
    there, elsewhere = (None if file_change.is_empty(each) else Document(each) for each in (text, other))
    paths = [(*form.models, name) for form, names in entries.items() for name in names]
    return [path[-1] for path in paths if there and there.has(path) and not (elsewhere and elsewhere.has(path))]


def _summary(verb: str, names: Sequence[str]) -> str:
    """Return a sentence about models that are added or removed; "" if there are none."""
    if not names:
        return ""
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return f"{verb} {format_count(len(names), 'model')}: {', '.join(names[:_MAX_LISTED])}{more}."


def _warn_of_plugins(plugins: Iterable[legacy_plugin.Found]) -> None:
    for path, entry in plugins:
        what = f"{path} loads the plugin {entry}" if entry else f"{path} is an OpenCode plugin"
        click.secho(
            f"{sanitize(what)}: with it requests are transformed twice, or bypass the proxy.", fg="yellow", err=True
        )


def _remove_plugins(plugins: Iterable[legacy_plugin.Found], *, yes: bool) -> bool:
    """Remove the plugins from each file for which the user agrees; return whether any file was changed."""
    any_done = False
    for path, is_list in dict.fromkeys((each.file, bool(each.entry)) for each in plugins):
        try:
            if is_list:
                before = file_change.read(path)
                done = file_change.confirm_and_write(
                    path, before, _without_plugin(path, before), yes=yes, ask="Remove it?"
                )
            elif done := file_change.confirm(f"Rename {path} so that it is not loaded?", yes=yes):
                click.echo(f"Renamed to {opencode_editor.rename_to_backup(path)}.")
        except ValueError as error:
            file_change.fail(f"{error}.")
        if not done:
            click.secho("The plugin is still installed: remove it before you use the proxy.", fg="yellow", err=True)
        any_done = any_done or done
    return any_done


def _without_plugin(path: Path, text: str) -> str:
    if file_change.is_empty(text):
        return text
    document = file_change.document(path, text)
    return document.remove(legacy_plugin.removal(document))


def _filled(path: Path, text: str, members: dict[str, Any], reverse: str | None, form: Form) -> str:
    """Return the file's text with the entries in `members` that it lacks added. Ends the command if that fails."""
    try:
        if file_change.is_empty(text):
            text = render({"$schema": _SCHEMA, **provider_models.wrap(members, form)})
        else:
            document = file_change.document(path, text)
            text = document.merge_missing(provider_models.additions(document.value, members, form))
            if form is NEW:
                for where, variants in provider_models.missing_variants(document.value, members).items():
                    text = Document(text).append(where, variants)
        return text if reverse is None else Document(text).set(form.base_url, reverse)
    except ValueError as error:
        file_change.fail(f"{path}: {error}: fix it there first. Nothing was written.")


def _tell_kept(path: Path, text: str, members: dict[str, Any], form: Form) -> None:
    """Print which of the user's values are kept although they differ from what this command would write."""
    value = {} if file_change.is_empty(text) else file_change.document(path, text).value
    others = provider_models.in_another_form(value, members, form)
    if others:
        click.echo(f"Kept as in {path}, because OpenCode drops an entry that mixes two forms: {', '.join(others)}")
    written = {name: entry for name, entry in members.items() if name not in others}
    differences = list(provider_models.conflicts(value, provider_models.wrap(written, form)))
    if differences:
        click.echo(f"Kept as in {path}:")
    for where, theirs, ours in differences[:_MAX_LISTED]:
        click.echo(f"  {'.'.join(map(str, where))}: {json.dumps(theirs)}, not {json.dumps(ours)}")
    if len(differences) > _MAX_LISTED:
        click.echo(f"  and {len(differences) - _MAX_LISTED} more")


def _names(models: str) -> list[str]:
    """Return the names in a list with commas. Raises ValueError if there are none, which would mean all models."""
    names = [name for name in models.split(",") if name.strip()]
    if not names:
        raise ValueError("there is no name in it; omit the option for all models")
    return names


def _proxy_url(url: str) -> str:
    """Return an address that OpenCode can use as its base URL. Raises BadParameter for any other."""
    wrong = click.BadParameter("must be like http://127.0.0.1:8080/v1, with the /v1", param_hint="--reverse")
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and parts.path.endswith("/v1"):
            return url
    except ValueError:  # brackets or a port that make no sense
        raise wrong from None
    raise wrong


def _decline() -> NoReturn:
    click.echo("Nothing was written.")
    raise click.exceptions.Exit(1)
