"""How much memory a process of a test needs."""

from pathlib import Path

import pytest

from support.running import Proxy


class Memory:
    """How much more memory mitmdump has needed at its peak than when this was made, as Linux tells it."""

    def __init__(self, proxy: Proxy) -> None:
        self._process = Path(f"/proc/{proxy.process.pid}")
        if not self._process.exists():
            pytest.skip("the memory of another process is read from /proc")
        # The peak begins anew (man 5 proc_pid_clear_refs).
        (self._process / "clear_refs").write_text("5")
        self._before = self._peak()

    def grown(self) -> int:
        return self._peak() - self._before

    def _peak(self) -> int:
        status = (self._process / "status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
