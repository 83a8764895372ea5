"""How a variable is set in each kind of shell: the one home of such lines in messages."""

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
"""A comment for each shell, in its own words, that says which one it is."""


def assignment(shell: Shell, name: str, value: str) -> str:
    """Give the line that sets an environment variable to exactly `value`, which has no line break.

    In an interactive cmd.exe a percent sign cannot be escaped: there %NAME% stands for a variable, if there is one.
    """
    match shell:
        case "sh":
            return f"export {name}={shlex.quote(value)}"
        case "fish":
            # Between its single quotes only the backslash and the quote itself have a meaning.
            plain = re.fullmatch(r"[\w@%+=:,./-]+", value, re.ASCII)
            quoted = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"set -gx {name} {value}" if plain else f"set -gx {name} '{quoted}'"
        case "PowerShell":
            # In double quotes $ and ` would be read.
            if re.search(r'[$`"]', value):
                doubled = value.replace("'", "''")
                return f"$env:{name} = '{doubled}'"
            return f'$env:{name} = "{value}"'
        case "cmd.exe":
            # The quotes around the whole keep & and a space at the end out of the way, and are no part of the value.
            return f'set "{name}={value}"'


def at_hand(name: str, value: str, system: str = os.name) -> str:
    """Give, in backquotes, what sets a variable in the shells of this system (`os.name`)."""
    if system != "nt":
        return f"`{assignment('sh', name, value)}`"
    return f"`{assignment('PowerShell', name, value)}` (in cmd.exe `{assignment('cmd.exe', name, value)}`)"
