"""Files: written so that only their owner may read them, whole or not at all.

A new file is written beside the target and then put in its place, so a reader sees the old content or the new,
never half of it, and a write that fails leaves the old file as it was.
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

# For how long a scanner may hold a file on Windows, in seconds, and the first pause between two attempts.
_HELD_FOR, _FIRST_PAUSE = 2.0, 0.01


def is_missing(path: Path) -> bool:
    """Return whether nothing is at `path`; False too where the way to it is closed, for which `Path.exists` raises."""
    try:
        return not path.exists()
    except OSError:
        return False


def make_private_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, each with mode 0700; those that exist keep theirs."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Put `data` into the file `path`, mode 0600, in one step.

    Folders that are missing are made with mode 0700; those that exist keep their mode. A symbolic link stays one:
    what it points to is replaced. Raises OSError, and then the file is what it was and nothing else is left behind.
    On Windows the modes have no meaning: what a user creates in his profile is his alone there.
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
    """Do what replaces, renames or removes a file; on Windows again for two seconds while another program holds it.

    A virus scanner or an indexer opens what was just written, and until it has read it Windows refuses to move it with
    PermissionError. Elsewhere that error means what it says. Blocks: not for an event loop. `system` is `os.name`;
    `pause` sleeps. Raises what `work` raised last.
    """
    waited, step = 0.0, _FIRST_PAUSE
    while True:
        try:
            return work()
        except PermissionError:
            if system != "nt" or waited >= _HELD_FOR:
                raise
        pause(step)
        waited += step
        step *= 2
