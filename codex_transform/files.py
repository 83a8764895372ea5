"""The user's files: where they are, and writing them so that only their owner may read them, whole or not at all.

A new file is written beside the target and then put in its place, so a reader sees the old content or the new,
never half of it, and a write that fails leaves the old file as it was.
"""

import os
import tempfile
from pathlib import Path

# What Debian calls the home of users who have none.
NO_HOME = Path("/nonexistent")


def in_home(path: Path) -> Path:
    """`path` with the user's home in place of ~; where there is none, with a folder that does not exist."""
    try:
        return path.expanduser()
    except RuntimeError:
        return NO_HOME / path.relative_to("~")


def make_private_folder(path: Path) -> None:
    """Makes a folder and those above it that are missing, each with mode 0700; those that exist keep theirs."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Puts `data` into the file `path`, mode 0600, in one step.

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
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
