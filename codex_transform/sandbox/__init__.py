"""A strict Codex endpoint on this machine: for the demo, for tests, and for dry runs. No model answers here."""

from codex_transform.sandbox.faults.table import TABLE, UnknownMisbehaviourError
from codex_transform.sandbox.server import Sandbox, running

__all__ = ["TABLE", "Sandbox", "UnknownMisbehaviourError", "running"]
