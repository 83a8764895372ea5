"""The OpenCode installed on this machine: its version, and whether its runtime trusts the proxy's certificate.

OpenCode is a program compiled by Bun (in all releases tried, 1.1.65 to 1.18.33), and with BUN_BE_BUN=1 such a program
acts as Bun itself (Bun's documentation, "Single-file executable"). So a fetch can be tried in the very runtime that
makes OpenCode's requests, without starting OpenCode.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from codex_transform.doctor.addon_port import PATH
from codex_transform.status import identity

TIMEOUT = 12.0
"""Seconds that a program may take."""


class NoRuntimeError(Exception):
    """OpenCode did not run as Bun."""


# OpenCode 1, OpenCode 2 and its preview.
_PROGRAMS = ("opencode", "opencode2", "lildax")


def find_all(environ: Mapping[str, str]) -> list[Path]:
    """Return the programs of OpenCode 1 and 2 on the PATH; both can be installed."""
    found = (shutil.which(name, path=environ.get("PATH", "")) for name in _PROGRAMS)
    return [Path(each) for each in found if each]


def find(environ: Mapping[str, str]) -> Path | None:
    """Return the first program of OpenCode on the PATH; None if there is none."""
    return next(iter(find_all(environ)), None)


def version(program: Path, environ: Mapping[str, str]) -> str | None:
    """Return the version that a program prints; None if it does not run or prints nothing.

    Raises TimeoutError if it takes longer than `TIMEOUT`.
    """
    try:
        output = _run(program, environ, "--version")
    except OSError:
        return None
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(str(error)) from None
    return output.strip() or None


def numbers(version: str | None) -> tuple[int, ...]:
    """Return a version as numbers, for comparisons; empty if it is not a version."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def fetch(program: Path, environ: Mapping[str, str], host: str) -> str | None:
    """Make OpenCode's runtime send a request for `host`, which the proxy's addon should answer, with these variables.

    Returns None if the addon answered, else what went wrong, such as UNABLE_TO_VERIFY_LEAF_SIGNATURE. Raises
    NoRuntimeError if the program did not run as Bun.
    """
    request = (f"https://{host}{PATH}", identity.METHOD, json.dumps(identity.FIELDS))
    with as_file(files(__package__).joinpath("runtime.mjs")) as script:
        try:
            output = _run(program, {**environ, "BUN_BE_BUN": "1"}, str(script), *request)
            result = json.loads(output.strip().splitlines()[-1])
            if "error" in result:
                return str(result["error"])
            status, body = int(result["status"]), str(result["body"])
        except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError) as error:
            raise NoRuntimeError(type(error).__name__) from None
    return None if identity.mode_of(status, body.encode()) == "proxy" else f"HTTP {status} from another server"


def _run(program: Path, environ: Mapping[str, str], *arguments: str) -> str:
    # In an empty folder, because Bun reads settings from its working directory.
    with tempfile.TemporaryDirectory(prefix="codex-transform-", ignore_cleanup_errors=True) as folder:
        done = subprocess.run(
            [program, *arguments],
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
    return done.stdout
