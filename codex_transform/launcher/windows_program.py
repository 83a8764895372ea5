"""What to start on Windows in the place of a batch file, such as the `opencode.cmd` that npm makes.

A batch file is run by cmd.exe, which reads its arguments as commands: quotes, percent signs and line breaks of a prompt
would not arrive. npm's and pnpm's files only start another program, so that is started instead. What stands in them is
written by the npm packages `cmd-shim` and `@zkochan/cmd-shim`. For other batch files the arguments are quoted by the
rules of cmd.exe.
"""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

# The folder of the batch file, as it says itself, then the program in it, which gets all arguments.
_TARGET = re.compile(r'"%(?:~dp0|dp0%)\\?([^"%]+)"\s+%\*')
_NODE = re.compile(r'(?:_prog=|\s)node(?:\.exe)?["\s]', re.IGNORECASE)
_FLAGS = re.compile(r'(?:"%_prog%"|\bnode)\s+(-[^"]*?)\s*"%(?:~dp0|dp0%)')


def command_line(
    program: str, arguments: Sequence[str], environ: Mapping[str, str], system: str = os.name
) -> list[str] | str:
    """Give what `subprocess` is to start so that `program` gets exactly these arguments.

    `program` is the file that was found, `system` is `os.name`. Raises ValueError, whose message is for people, when
    the program is a batch file that cannot be given them.
    """
    if system != "nt" or not program.lower().endswith((".cmd", ".bat")):
        return [program, *arguments]
    if real := behind_shim(Path(program), environ):
        return [*real, *arguments]
    return _through_cmd(program, arguments, environ)


def behind_shim(shim: Path, environ: Mapping[str, str]) -> list[str] | None:
    """Give the program that a batch file of npm or pnpm starts, with its first arguments.

    None if it is none of them or what it names is not there.
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
    """Give the command line of a cmd.exe that runs a batch file.

    With its extensions, which the quoting needs, without delayed expansion, which would read exclamation marks, and
    without the user's AutoRun.
    """
    if any(mark in argument for argument in arguments for mark in "\r\n\0"):
        raise ValueError(
            f"{program} is a batch file, and Windows can give it no line breaks. "
            "Fix: name the program that it starts (an .exe) in its place, or leave the line breaks out"
        )
    quoted = " ".join([f'"{program}"', *map(_quoted, arguments)])
    shell = environ.get("COMSPEC") or "cmd.exe"
    return f'"{shell}" /d /e:ON /v:OFF /c "{quoted}"'


def _quoted(argument: str) -> str:
    """Put an argument into quotes that never end for cmd.exe, and are one argument for the program behind it.

    A quote is doubled; backslashes in front of one too, as Microsoft's C runtime reads them. A percent sign is followed
    by a variable of no length (`%cd:~,%`), so that no name can begin behind it.
    """
    text = re.sub(r'(\\*)("|$)', lambda match: match[1] * 2 + match[2] * 2, argument)
    return '"' + text.replace("%", "%%cd:~,%") + '"'
