"""Detects programs that bypass the proxy: by their version of Node before they start, by a lack of requests afterwards.

Node reads HTTPS_PROXY only if NODE_USE_ENV_PROXY is set, and only since 24.0, or 22.21 of the older line.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codex_transform.launcher import windows_program

_NODE = frozenset({"node", "nodejs"})
_NODE_RUNNERS = frozenset({"npm", "npx", "pnpm", "pnpx", "yarn", "tsx", "bunx"})

# npm installs these as Node scripts that only start a native program, which reads HTTPS_PROXY whatever the Node.
_NATIVE = re.compile(r"(?:.*[/\\])?(?:opencode(?:-ai|2)?|lildax|codex)(?:@[\w.-]+|\.cmd)?")

_VERSION = re.compile(r"v(\d+)\.(\d+)\.\d+")
_VERSION_TIMEOUT = 2.0
_LONGEST_SHEBANG = 256

_REVERSE = (
    "`codex-transform start -- --mode reverse:YOUR-BASE-URL` and http://127.0.0.1:8080/v1 as the client's base URL"
)

UNUSED = (
    "no request came through the proxy, which is fine for a command that sends none.\n"
    "  If it sent some, they bypassed the proxy: use Node 22.21 or newer, or a proxy agent in the program; stop an "
    f"OpenCode server that was already running; or use {_REVERSE}."
)
"""The warning after a command that did not use the proxy."""


def node_warning(command: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return a warning if a command runs on a Node that is too old for HTTPS_PROXY; None for other commands."""
    if any(_NATIVE.fullmatch(word) for word in command):
        return None
    program = shutil.which(command[0], path=environ.get("PATH"))
    node = _node(program, environ) if program else None
    version = _version(node, environ) if node else None
    if version is None or (22, 21) <= version < (23, 0) or version >= (24, 0):
        return None
    found = ".".join(map(str, version))
    return f"Node {found} does not read HTTPS_PROXY and bypasses the proxy: use Node 22.21 or 24, or {_REVERSE}"


def may_have_asked(status: int) -> bool:
    """Return whether a command with this exit status was started and not ended by a signal."""
    return status not in (126, 127) and not 128 < status <= 192


def _node(program: str, environ: Mapping[str, str]) -> str | None:
    """Return the path of the Node that a program is or runs on; None if it runs on none."""
    for started in (program, *_interpreters(Path(program), environ)):
        name = Path(started).stem.lower()
        if name in _NODE:
            return shutil.which(started, path=environ.get("PATH"))
        if name in _NODE_RUNNERS:
            return shutil.which("node", path=environ.get("PATH"))
    return None


def _interpreters(program: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what may run a script: the words of its shebang, or the program that npm's batch file starts."""
    if program.suffix.lower() in (".cmd", ".bat"):
        yield from (windows_program.behind_shim(program, environ) or [])[:1]
        return
    try:
        with program.open("rb") as file:
            line = file.readline(_LONGEST_SHEBANG)
    except OSError:  # a program can be executable but not readable
        return
    if line.startswith(b"#!"):
        yield from line[2:].decode("utf-8", "replace").split()


def _version(node: str, environ: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the major and minor version of a Node; None if it does not print them."""
    try:
        done = subprocess.run(
            [node, "--version"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_VERSION_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.match(done.stdout)
    return (int(match[1]), int(match[2])) if match else None
