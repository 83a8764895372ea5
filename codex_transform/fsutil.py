"""Files of the user: written whole or not at all, readable only by their owner.

A new file is written beside the target and then renamed to it, so a reader sees the old content or the new, never half
of it, and a write that fails leaves the old file as it was.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# How long a scanner may hold a file open on Windows, and the first pause between two attempts, in seconds.
_RETRY_TIMEOUT, _FIRST_PAUSE = 2.0, 0.01


def is_missing(path: Path) -> bool:
    """Return whether nothing is at `path`; False too where the way to it is closed, for which `Path.exists` raises."""
    try:
        return not path.exists()
    except OSError:
        return False


def make_private_folder(path: Path) -> None:
    """Create a folder and its missing parents, each with mode 0700; those that exist keep theirs."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Write `data` to the file `path`, with mode 0600, in one step.

    Missing folders are created with mode 0700; those that exist keep their mode. A symbolic link stays one: its target
    is replaced. Raises OSError; then the file stays as it was and nothing else is left behind. On Windows the modes
    have no effect: files in a user's profile are private there.
    """
    target = path.resolve()
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
