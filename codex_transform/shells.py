"""The command that sets an environment variable, for messages, in each kind of shell."""

import os
import re
import shlex
from typing import Literal

Shell = Literal["sh", "fish", "PowerShell", "cmd.exe"]

TITLES: dict[Shell, str] = {
    "sh": "# bash, zsh",
    "fish": "# fish",
    "PowerShell": "# PowerShell",
    "cmd.exe": "rem cmd.exe",
}
"""A comment line that names the shell, in its own syntax."""


def assignment(shell: Shell, name: str, value: str) -> str:
    """Return the line that sets an environment variable to exactly `value`, which has no line break.

    In an interactive cmd.exe a percent sign cannot be escaped: %NAME% is replaced there if such a variable exists.
    """
    match shell:
        case "sh":
            return f"export {name}={shlex.quote(value)}"
        case "fish":
            # Between single quotes only the backslash and the quote itself are special.
            plain = re.fullmatch(r"[\w@%+=:,./-]+", value, re.ASCII)
            quoted = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"set -gx {name} {value}" if plain else f"set -gx {name} '{quoted}'"
        case "PowerShell":
            # In double quotes $ and ` are special.
            if re.search(r'[$`"]', value):
                doubled = value.replace("'", "''")
                return f"$env:{name} = '{doubled}'"
            return f'$env:{name} = "{value}"'
        case "cmd.exe":
            # The quotes around the whole protect & and a trailing space, and are not part of the value.
            return f'set "{name}={value}"'


def local_assignment(name: str, value: str, system: str = os.name) -> str:
    """Return, in backquotes, what sets a variable in the usual shells of this system (`os.name`)."""
    if system != "nt":
        return f"`{assignment('sh', name, value)}`"
    return f"`{assignment('PowerShell', name, value)}` (in cmd.exe `{assignment('cmd.exe', name, value)}`)"
