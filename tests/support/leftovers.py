"""What a test has started and still runs."""

import os
import sys
from pathlib import Path


def processes(folder: Path) -> list[str]:
    """The command lines of those that have this folder in their environment; of none where there is no /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        try:
            if os.fsencode(folder) in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:  # it has ended, or is another user's
            continue
    return found
