"""Which of the next requests are answered with which fault.

Strategy: one plan at a time, set from any thread and used up by the server, request by request.
"""

from threading import Lock

from codex_transform.sandbox.faults.table import Edits, parse_faults


class FaultPlan:
    """The fault to apply to the next requests. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._edits: Edits = []
        self.name: str | None = None
        self.times: int | None = None
        self.with_tools: bool | None = None

    def set(self, name: str, times: int | None = None, at: int | None = None, with_tools: bool | None = None) -> None:
        """Apply this fault to the next `times` requests (None: all); it replaces an earlier plan.

        `with_tools` restricts it to requests with tools or, if False, to those without, such as those for a title.

        Raises UnknownFaultError.
        """
        edits = parse_faults(name, at)
        with self._lock:
            self._edits, self.name, self.times, self.with_tools = edits, name, times, with_tools

    def clear(self) -> None:
        """Answer without faults again."""
        with self._lock:
            self._edits, self.name, self.times, self.with_tools = [], None, None, None

    def take(self, *, has_tools: bool) -> tuple[str | None, Edits]:
        """Return the name and the edits of the fault for the next request; (None, []) if it has none."""
        with self._lock:
            if self.name is None or self.with_tools not in (None, has_tools):
                return None, []
            taken = self.name, self._edits
            if self.times is not None:
                self.times -= 1
                if self.times <= 0:
                    self._edits, self.name, self.times = [], None, None
            return taken
