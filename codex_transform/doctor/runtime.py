"""OpenCode as it really is on this machine: its version, and what its runtime makes of the proxy's certificate.

OpenCode is a program that Bun compiled (all releases tried: 1.1.65 to 1.18.33), and with BUN_BE_BUN=1 such a program
is Bun itself (Bun's documentation, "Single-file executable"). So a fetch can be tried in the very runtime that
OpenCode's requests are made by, without starting OpenCode.
"""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

from codex_transform.doctor.addon_port import PATH, is_ours

_PATIENCE = 12.0


class NoRuntimeError(Exception):
    """OpenCode did not run as Bun."""


# As OpenCode 1, OpenCode 2 and its preview are called.
_PROGRAMS = ("opencode", "opencode2", "lildax")


def find_all(environ: Mapping[str, str]) -> list[Path]:
    """Return the programs of OpenCode 1 and 2 that the terminal finds: they live side by side."""
    found = (shutil.which(name, path=environ.get("PATH", "")) for name in _PROGRAMS)
    return [Path(each) for each in found if each]


def find(environ: Mapping[str, str]) -> Path | None:
    """Return the first of them, None if there is none."""
    return next(iter(find_all(environ)), None)


def version(program: Path, environ: Mapping[str, str]) -> str | None:
    """Return what it says its version is; None if it does not run."""
    try:
        said = _run(program, environ, "--version")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.strip() or None


def numbers(version: str | None) -> tuple[int, ...]:
    """Return a version for comparing; empty if it is none."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version or "")
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def fetch(program: Path, environ: Mapping[str, str], host: str) -> str | None:
    """Has OpenCode's runtime ask our proxy for something at `host`, with these variables.

    None if our addon answered; else what went wrong, such as UNABLE_TO_VERIFY_LEAF_SIGNATURE. Raises NoRuntimeError.
    """
    with as_file(files(__package__).joinpath("runtime.mjs")) as script:
        try:
            said = _run(program, {**environ, "BUN_BE_BUN": "1"}, str(script), f"https://{host}{PATH}")
            result = json.loads(said.strip().splitlines()[-1])
            if "error" in result:
                return str(result["error"])
            status, body = int(result["status"]), str(result["body"])
        except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError) as error:
            raise NoRuntimeError(type(error).__name__) from None
    return None if is_ours(status, body) else f"HTTP {status} from somebody else"


def _run(program: Path, environ: Mapping[str, str], *arguments: str) -> str:
    # In a folder of its own: Bun reads settings from the one it is started in.
    with tempfile.TemporaryDirectory(prefix="codex-transform-", ignore_cleanup_errors=True) as folder:
        done = subprocess.run(
            [program, *arguments],
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    return done.stdout
