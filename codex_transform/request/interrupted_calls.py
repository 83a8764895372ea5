"""Tool calls whose output is not in the input.

The backend rejects such a call ("No tool output found for function call …"), and a client that was interrupted between
the call and its output sends it with every later request, so the session would be stuck. The call gets an output that
says so, right behind it. It is the same in every request, so the prompt cache still works.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from codex_transform.request.changes import Changes

TEXT = "The call was interrupted before it returned an output."
"""The output of an interrupted call."""

REASON = "Codex endpoints reject a tool call without its output: this one was interrupted."

# As in the Codex CLI, `function_call_output` answers a `local_shell_call` too.
_OUTPUTS = {
    "function_call": ("function_call_output",),
    "custom_tool_call": ("custom_tool_call_output",),
    "local_shell_call": ("function_call_output", "local_shell_call_output"),
}


def find_interrupted(call_ids: Mapping[str, Sequence[str | None]]) -> dict[str, set[str]]:
    """Return the call ids of calls without an output, by item type, from the call ids of all items by their type."""
    interrupted: dict[str, set[str]] = {}
    for kind, outputs in _OUTPUTS.items():
        ids = call_ids.get(kind, ())
        # In most conversations the outputs come in the order of their calls; comparing costs less than hashing.
        if not ids or ids == call_ids.get(outputs[0]):
            continue
        pending = {each for each in ids if each}.difference(*(call_ids.get(output, ()) for output in outputs))
        if pending:
            interrupted[kind] = pending
    return interrupted


def insert_outputs(items: list[Mapping[str, Any]], interrupted: Mapping[str, set[str]], changes: Changes) -> None:
    """Insert an output behind each interrupted call, in place."""
    index = 0
    while index < len(items):
        item = items[index]
        index += 1
        if item.get("call_id") in interrupted.get(item.get("type", ""), ()):
            output = {"type": _OUTPUTS[item["type"]][0], "call_id": item["call_id"], "output": TEXT}
            changes.insert_item(items, index, output, REASON)
            index += 1
