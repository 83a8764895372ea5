"""Files of the user: written whole or not at all, readable only by their owner.

A new file is written beside the target and then renamed to it, so a reader sees the old content or the new, never half
of it, and a write that fails leaves the old file as it was.
"""

import errno
import os
import stat
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# How long a scanner may hold a file open on Windows, and the first pause between two attempts, in seconds.
_RETRY_TIMEOUT, _FIRST_PAUSE = 2.0, 0.01

_FIXES = {
    errno.EACCES: "make it and its folder readable and writable for you",
    errno.EPERM: "make it and its folder readable and writable for you",
    errno.EROFS: "make its disk writable",
    errno.ENOSPC: "make room on its disk",
    errno.EISDIR: "move the folder away that stands in its place",
    errno.ENOTDIR: "move the file away that stands in the place of its folder",
    errno.EEXIST: "move the file away that stands in the place of its folder",
    errno.ELOOP: "remove the link that leads to itself",
    errno.ENOTSUP: "name a regular file",
}


def is_missing(path: Path) -> bool:
    """Return whether nothing is at `path`; False where that cannot be told, as in a folder that is closed to this user.

    `Path.exists` raises for that, and from Python 3.14 on says that nothing is there.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def fix_for(error: OSError) -> str:
    """Return what to do so that a file can be read or written after all, as an imperative."""
    return _FIXES.get(error.errno or 0, "make it a file of yours")


def explain(path: Path, what: str, error: OSError) -> str:
    """Return what keeps a file from being read or written, and the fix; `what` is such as "read".

    A folder on the way to it is named in its place, if the error is that folder's.
    """
    folder = next((folder for folder in path.parents if str(folder) == error.filename), None)
    return f"{folder or path} cannot be {what} ({error.strerror or error}). Fix: {fix_for(error)}"


def require_regular(path: Path) -> None:
    """Raise OSError if `path` is a device, a pipe or a socket.

    A file in its place would break whatever uses it, as `/dev/null`, and to read it could take for ever.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.ENOTSUP, "it is not a regular file", str(path))


def make_private_folder(path: Path) -> None:
    """Create a folder and its missing parents, each with mode 0700; those that exist keep theirs."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to the file `path`, with mode 0600, in one step.

    Missing folders are created with mode 0700; those that exist keep their mode. A symbolic link stays one: its target
    is replaced. Raises OSError, also for what is no regular file; then the file stays as it was and nothing else is
    left behind. On Windows the modes have no effect: files in a user's profile are private there.
    """
    target = path.resolve()
    require_regular(target)
    make_private_folder(target.parent)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    temporary = Path(name)  # mkstemp made it with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        retry_while_held(lambda: temporary.replace(target))
    except BaseException:
        retry_while_held(lambda: temporary.unlink(missing_ok=True))
        raise


def retry_while_held(
    work: Callable[[], T],
    system: str = os.name,
    pause: Callable[[float], None] = time.sleep,
) -> T:
    """Replace, rename or remove a file; on Windows, retry for two seconds while another program has it open.

    A virus scanner or an indexer opens what was just written, and until it has read it Windows refuses to move it with
    PermissionError. Elsewhere that error is final. This blocks, so it is not for an event loop. `system` is `os.name`;
    `pause` sleeps. Raises what `work` raised last.
    """
    waited, step = 0.0, _FIRST_PAUSE
    while True:
        try:
            return work()
        except PermissionError:
            if system != "nt" or waited >= _RETRY_TIMEOUT:
                raise
        pause(step)
        waited += step
        step *= 2
