"""A folder of log files that stays within bounds: the oldest files make room for new ones.

Names begin with their time, so the order of names is the order of age. What lies in the folder is counted once, then
kept in mind, and counted again now and then, because another proxy may write there too. Files with other names are not
ours to count or remove.
"""

import re
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path

from codex_transform.fsutil import retry_while_held, write_private

MAX_BYTES = 100_000_000
MAX_FILES = 1000

_FILENAME = re.compile(r"\d{8}T\d{6}\.\d{6}-[\w-]+\.json")

# After how many files the folder is scanned again.
_RESCAN_EVERY = 100


class RotatingFolder:
    """The files in `path`: never more than `max_files`, never more than `max_bytes` in all. For one thread."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.max_files = max_files
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self._total = 0
        self._until_recount = 0

    def write(self, moment: datetime, name: str, data: bytes) -> None:
        """Write a private file, named by the moment and `name`; remove old ones to make room for it.

        Raises OSError, also when the file alone would be more than the folder may hold.
        """
        if len(data) > self.max_bytes:
            raise OSError(f"{len(data)} bytes are more than the folder may hold")
        if self._until_recount == 0:
            self._count()
            self._until_recount = _RESCAN_EVERY
        self._until_recount -= 1
        while self._sizes and (len(self._sizes) >= self.max_files or self._total + len(data) > self.max_bytes):
            self._remove_oldest()
        file = f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%f}-{name}.json"
        write_private(self.path / file, data)
        self._total += len(data) - self._sizes.pop(file, 0)
        self._sizes[file] = len(data)

    def _count(self) -> None:
        sizes: dict[str, int] = {}
        if self.path.is_dir():
            self.path.chmod(0o700)
            for file in self.path.iterdir():
                if _FILENAME.fullmatch(file.name):
                    try:
                        sizes[file.name] = file.lstat().st_size
                    except FileNotFoundError:
                        continue  # another proxy has just removed it
        self._sizes = OrderedDict(sorted(sizes.items()))
        self._total = sum(sizes.values())

    def _remove_oldest(self) -> None:
        name = next(iter(self._sizes))
        retry_while_held(lambda: (self.path / name).unlink(missing_ok=True))
        self._total -= self._sizes.pop(name)
