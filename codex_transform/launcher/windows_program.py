"""Finds what to start on Windows instead of a batch file, such as the `opencode.cmd` that npm creates.

A batch file is run by cmd.exe, which interprets its arguments: quotes, percent signs and line breaks of a prompt would
be lost. The batch files of npm and pnpm only start another program, so that program is started directly. They are
written by the npm packages `cmd-shim` and `@zkochan/cmd-shim`. For other batch files the arguments are quoted by the
rules of cmd.exe.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

# The batch file's own folder, in either notation, then the program in it, which gets all arguments.
_TARGET = re.compile(r'"%(?:~dp0|dp0%)\\?([^"%]+)"\s+%\*')
_NODE = re.compile(r'(?:_prog=|\s)node(?:\.exe)?["\s]', re.IGNORECASE)
_FLAGS = re.compile(r'(?:"%_prog%"|\bnode)\s+(-[^"]*?)\s*"%(?:~dp0|dp0%)')


def command_line(
    program: str, arguments: Sequence[str], environ: Mapping[str, str], system: str = os.name
) -> list[str] | str:
    """Return what to pass to `subprocess` so that `program` gets exactly these arguments.

    `program` is the path of the program, `system` is `os.name`. Raises ValueError, with a message for the user, if the
    program is a batch file that cannot take them.
    """
    if system != "nt" or not program.lower().endswith((".cmd", ".bat")):
        return [program, *arguments]
    if real := behind_shim(Path(program), environ):
        return [*real, *arguments]
    return _through_cmd(program, arguments, environ)


def behind_shim(shim: Path, environ: Mapping[str, str]) -> list[str] | None:
    """Return the program that a batch file of npm or pnpm starts, with its first arguments.

    None if it is another kind of file, or the program that it names does not exist.
    """
    try:
        text = shim.read_text("utf-8", "replace")
    except OSError:
        return None
    targets = set(_TARGET.findall(text))
    if len(targets) != 1:
        return None
    target = shim.parent.joinpath(*targets.pop().split("\\"))
    if not target.is_file():
        return None
    if target.suffix.lower() == ".exe":
        return [str(target)]
    if not _NODE.search(text):
        return None
    beside = shim.parent / "node.exe"
    node = str(beside) if beside.is_file() else shutil.which("node", path=environ.get("PATH"))
    flags = match[1].split() if (match := _FLAGS.search(text)) else []
    return [node, *flags, str(target)] if node else None


def _through_cmd(program: str, arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the command line with which cmd.exe runs a batch file. Raises ValueError for line breaks in arguments.

    Command extensions are on, because the quoting needs them. Delayed expansion, which would interpret exclamation
    marks, and the user's AutoRun are off.
    """
    if any(mark in argument for argument in arguments for mark in "\r\n\0"):
        raise ValueError(
            f"{program} is a batch file, which cannot take line breaks in its arguments. "
            "Fix: use the program that it starts (an .exe) instead, or remove the line breaks"
        )
    quoted = " ".join([f'"{program}"', *map(_quoted, arguments)])
    shell = environ.get("COMSPEC") or "cmd.exe"
    return f'"{shell}" /d /e:ON /v:OFF /c "{quoted}"'


def _quoted(argument: str) -> str:
    """Return an argument in quotes that cmd.exe never sees closed, and that the program reads as one argument.

    Quotes are doubled, and so are backslashes before them, as Microsoft's C runtime expects. Each percent sign is
    followed by an empty variable (`%cd:~,%`), so that it cannot begin a variable's name.
    """
    text = re.sub(r'(\\*)("|$)', lambda match: match[1] * 2 + match[2] * 2, argument)
    return '"' + text.replace("%", "%%cd:~,%") + '"'
