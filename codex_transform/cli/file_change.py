"""Changes a configuration file with the user's consent: shows a diff, asks, writes, and reports the result.

Of many lines in a row that are added or removed, the diff has the first and the last, so that all of it is on the
screen when the question is. Keys near the changed lines are redacted. If a file cannot be read or written, the command
ends with a message that names it.
"""

import difflib
import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NoReturn

import click

from codex_transform.cli.prompts import is_interactive
from codex_transform.jsonc import parser
from codex_transform.jsonc.editor import Document
from codex_transform.jsonio import describe_type
from codex_transform.opencode import editor as opencode_editor
from codex_transform.redaction import redact
from codex_transform.text import sanitize

# What may be a key, in a line of a diff: the value of a member with such a name, or text that looks like a key.
# References that OpenCode resolves, {env:NAME} and {file:path}, are not keys.
_KEY_MEMBER = re.compile(
    r"""("[^"]*(?:key|token|secret|authorization|password)[^"]*"\s*:\s*")(?!\{(?:env|file):)((?:[^"\\]|\\.)*)""",
    re.IGNORECASE,
)
_KEY_TEXT = re.compile(r"\bsk-[\w-]{8,}")


# A run of more lines than this is cut to its first and its last lines.
_MAX_RUN, _FIRST, _LAST = 40, 8, 4


def confirm_and_write(
    path: Path, before: str, after: str, *, yes: bool, ask: str = "Write this?", summary: str = ""
) -> bool:
    """Show the changes, with a summary in words, ask whether to write them, then back up the file and write it.

    Returns whether the user agreed. Raises ClickException if the file changed meanwhile or cannot be written.
    """
    if before == after:
        return True
    for line in _diff(path, before, after):
        click.echo(line)
    if summary:
        click.echo(summary)
    if not confirm(ask, yes=yes):
        return False
    if read(path) != before:
        fail(f"{path} was changed by another program meanwhile. Nothing was written: run this again.")
    try:
        backup = opencode_editor.write(path, after)
    except ValueError as error:
        fail(f"{error}.")
    click.echo(f"Wrote {path}." + (f" Backup: {backup}" if backup else ""))
    return True


def _diff(path: Path, before: str, after: str) -> Iterator[str]:
    """Yield a unified diff with keys redacted, in colours, which click omits if there is no terminal."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), str(path), f"{path} (new)", lineterm="")
    for line in map(sanitize, _shortened(lines)):  # the author of a project's file may not be trusted
        hidden = _KEY_MEMBER.sub(lambda match: match[1] + redact(match[2]), line)
        hidden = _KEY_TEXT.sub(lambda match: redact(match[0]), hidden)
        bold = line.startswith(("+++", "---"))
        yield click.style(hidden, bold=True) if bold else click.style(hidden, fg=colours.get(line[:1]))


def _shortened(diff: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a diff, with a line about those that are left out of a long run."""
    for sign, run in groupby(diff, lambda line: line[:1]):
        lines = list(run)
        if sign in ("+", "-") and len(lines) > _MAX_RUN:
            how = ": add --print to see the whole file" if sign == "+" else ""
            lines[_FIRST:-_LAST] = [f"{sign}  … {len(lines) - _FIRST - _LAST:,} more lines{how}"]
        yield from lines


def confirm(question: str, *, yes: bool) -> bool:
    """Return the user's answer to a question, True with `yes`. Raises ClickException if there is no terminal."""
    if yes:
        return True
    if not is_interactive():
        fail("Nothing was written: there is no terminal to ask on. Add --yes to agree, or --print to only see it.")
    return click.confirm(question, default=True)


def read(path: Path) -> str:
    """Return the text of a file; "" if it does not exist. Raises ClickException if it cannot be read."""
    try:
        return opencode_editor.read(path)
    except ValueError as error:
        fail(f"{error}.")


def document(path: Path, text: str) -> Document:
    """Return the JSONC document in a file's text. Raises ClickException, with the line, if it is not an object."""
    try:
        found = Document(text)
    except parser.JsonError as error:
        fail(f"{path} is damaged, {error}: fix it there. Nothing was written.")
    if not isinstance(found.value, dict):
        fail(f"{path} must hold an object in braces, not {describe_type(found.value)}. Nothing was written.")
    return found


def is_empty(text: str) -> bool:
    """Return whether a file's text is blank, which OpenCode treats as an empty object."""
    return not text.removeprefix("\ufeff").strip()


def fail(message: str) -> NoReturn:
    """End the command with an error message, by raising ClickException."""
    raise click.ClickException(message)
