"""A strict Codex endpoint on this machine: for the demo, for tests, and for dry runs. No model answers here."""

from codex_transform.sandbox.faults.table import FAULTS, UnknownFaultError
from codex_transform.sandbox.server import Sandbox, running

__all__ = ["FAULTS", "Sandbox", "UnknownFaultError", "running"]
