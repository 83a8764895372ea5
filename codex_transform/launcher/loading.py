"""A process that imports mitmproxy and waits for its command line, which takes most of the time of a start.

It is started before all else, and this module imports next to nothing, so that settings are read meanwhile.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = Path(__file__).resolve().parent.parent / "proxy" / "embed.py"


@contextmanager
def loading() -> Iterator[subprocess.Popen[bytes]]:
    """Yield such a process; it ends with the block if it has been given no command line."""
    process = launch()
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def launch() -> subprocess.Popen[bytes]:
    """Start such a process, which reads its command line from its standard input (`codex_transform/proxy/embed.py`)."""
    return subprocess.Popen(
        # Without -P it would take modules for its own from the folder that embed.py lies in.
        [sys.executable, "-P", "-u", str(_PROGRAM)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=os.name == "posix",
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
