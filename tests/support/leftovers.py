"""Processes that a test has started and that are still running."""

import os
import sys
from pathlib import Path


def processes(folder: Path) -> list[str]:
    """Return the command lines of processes with this folder in their environment; none if there is no /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        try:
            if os.fsencode(folder) in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:  # it has ended, or belongs to another user
            continue
    return found
