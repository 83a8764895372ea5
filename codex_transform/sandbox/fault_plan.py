"""Which of the coming requests are answered badly, and how.

Strategy: one plan at a time, set from any thread and taken request by request by the server.
"""

from threading import Lock

from codex_transform.sandbox.faults.table import Edits, parse_faults


class FaultPlan:
    """Which of the coming requests are answered badly. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._edits: Edits = []
        self.name: str | None = None
        self.times: int | None = None
        self.with_tools: bool | None = None

    def set(self, name: str, times: int | None = None, at: int | None = None, with_tools: bool | None = None) -> None:
        """Answer the next `times` requests (None: all) like this, in place of what was planned before.

        `with_tools` leaves out the requests that have no tools, as those for a title (or, if False, those that have
        some).

        Raises UnknownMisbehaviourError.
        """
        edits = parse_faults(name, at)
        with self._lock:
            self._edits, self.name, self.times, self.with_tools = edits, name, times, with_tools

    def clear(self) -> None:
        """Behave."""
        with self._lock:
            self._edits, self.name, self.times, self.with_tools = [], None, None, None

    def take(self, *, has_tools: bool) -> tuple[str | None, Edits]:
        """Return the name and edits for a request that is being answered; (None, []) if it is answered well."""
        with self._lock:
            if self.name is None or self.with_tools not in (None, has_tools):
                return None, []
            taken = self.name, self._edits
            if self.times is not None:
                self.times -= 1
                if self.times <= 0:
                    self._edits, self.name, self.times = [], None, None
            return taken
