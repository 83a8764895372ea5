"""Programs that go past the proxy all the same: known before they start by their Node, and after they end by silence.

Node reads HTTPS_PROXY only where NODE_USE_ENV_PROXY tells it to, and only since 24.0 and, of the older line, 22.21.
"""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from codex_transform.launcher import windows_program

_NODE = frozenset({"node", "nodejs"})
_NODE_RUNNERS = frozenset({"npm", "npx", "pnpm", "pnpx", "yarn", "tsx", "bunx"})

# npm brings these as scripts for Node that only start another program, which reads HTTPS_PROXY by itself.
_NATIVE = re.compile(r"(?:.*[/\\])?(?:opencode(?:-ai|2)?|lildax|codex)(?:@[\w.-]+|\.cmd)?")

_VERSION = re.compile(r"v(\d+)\.(\d+)\.\d+")
_VERSION_TIMEOUT = 2.0
_LONGEST_SHEBANG = 256

_REVERSE = (
    "`codex-transform start -- --mode reverse:YOUR-BASE-URL` and http://127.0.0.1:8080/v1 as the client's base URL"
)

UNUSED = (
    "no request came through the proxy, which is right for a command that sends none.\n"
    "  If it sent some, they went past the proxy: use Node 22.21 or newer, or a proxy agent in the program; end a "
    f"server of OpenCode that ran before; or take {_REVERSE}."
)
"""What a command is told that did not use the proxy."""


def node_warning(command: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """Return what to tell about a command that runs on a Node too old to be sent through a proxy; None for others."""
    if any(_NATIVE.fullmatch(word) for word in command):
        return None
    program = shutil.which(command[0], path=environ.get("PATH"))
    node = _node(program, environ) if program else None
    version = _version(node, environ) if node else None
    if version is None or (22, 21) <= version < (23, 0) or version >= (24, 0):
        return None
    found = ".".join(map(str, version))
    return f"Node {found} does not read HTTPS_PROXY, and goes past the proxy: use Node 22.21 or 24, or {_REVERSE}"


def may_have_asked(status: int) -> bool:
    """Return whether a command with this exit status ended by itself: not by a signal, nor before it began."""
    return status not in (126, 127) and not 128 < status <= 192


def _node(program: str, environ: Mapping[str, str]) -> str | None:
    """Return the Node that a program is, or runs on."""
    for started in (program, *_interpreters(Path(program), environ)):
        name = Path(started).stem.lower()
        if name in _NODE:
            return shutil.which(started, path=environ.get("PATH"))
        if name in _NODE_RUNNERS:
            return shutil.which("node", path=environ.get("PATH"))
    return None


def _interpreters(program: Path, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what runs a script: the names in its first line, or what npm's batch file starts."""
    if program.suffix.lower() in (".cmd", ".bat"):
        yield from (windows_program.behind_shim(program, environ) or [])[:1]
        return
    try:
        with program.open("rb") as file:
            line = file.readline(_LONGEST_SHEBANG)
    except OSError:  # a program may be one to run and not to read
        return
    if line.startswith(b"#!"):
        yield from line[2:].decode("utf-8", "replace").split()


def _version(node: str, environ: Mapping[str, str]) -> tuple[int, int] | None:
    """Return the first two numbers of a Node's version; None if it does not say."""
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
