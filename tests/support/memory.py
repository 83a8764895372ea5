"""Measures the memory of a process."""

from pathlib import Path

import pytest

from support.running import Proxy


class Memory:
    """The growth of mitmdump's memory, at its peak, since this was created, as reported by Linux."""

    def __init__(self, proxy: Proxy) -> None:
        self._process = Path(f"/proc/{proxy.process.pid}")
        if not self._process.exists():
            pytest.skip("the memory of another process is read from /proc")
        # Resets the peak (man 5 proc_pid_clear_refs).
        (self._process / "clear_refs").write_text("5")
        self._before = self._peak()

    def growth(self) -> int:
        return self._peak() - self._before

    def _peak(self) -> int:
        status = (self._process / "status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
