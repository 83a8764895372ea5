"""The log file of a proxy: private, of bounded size; the oldest files are deleted."""

import os
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from codex_transform.fsutil import make_private_folder

_MAX_BYTES = 1_000_000
_MAX_FILES = 10
_LAST_LINES = 12


class ProxyLog:
    """A new file in `folder`, emptied whenever it exceeds `max_bytes`. `last` always holds the last lines."""

    def __init__(self, folder: Path, max_bytes: int = _MAX_BYTES, max_files: int = _MAX_FILES) -> None:
        """Delete all but the newest log files and create one. Raises OSError if that is not possible."""
        make_private_folder(folder)
        for old in sorted(folder.glob("proxy-*.log"))[: 1 - max_files]:
            with suppress(OSError):  # Windows refuses to delete a file that another proxy has open
                old.unlink(missing_ok=True)
        self.path = folder / f"proxy-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
        self.last: deque[str] = deque(maxlen=_LAST_LINES)
        self._max_bytes = max_bytes
        flags = os.O_CREAT | os.O_WRONLY | os.O_TRUNC
        self._file = os.fdopen(os.open(self.path, flags, 0o600), "w", encoding="utf-8", errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # what is left of it does not fit on the disk
            self._file.close()

    def write(self, line: str) -> None:
        """Add a line. If the file cannot be written, as on a full disk, only `last` gets it and the proxy goes on."""
        self.last.append(line)
        try:
            if self._file.tell() > self._max_bytes:
                self._file.seek(0)
                self._file.truncate()
                self._file.write("(earlier lines were dropped)\n")
            self._file.write(f"{line}\n")
            self._file.flush()
        except (OSError, ValueError):  # the disk is full; the file is closed
            return
